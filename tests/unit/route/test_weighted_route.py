"""A route of three arms: who gets which weight, and where a new arm goes."""

from fractions import Fraction

import pytest

from rollout.decide.record.split import Split
from rollout.errors import RouteError
from rollout.route.weighted_route import WeightedRoute, move, remove_default_canary
from tests.support.arms import NamedArms


def route(**weights: int) -> WeightedRoute:
    entries = [{"name": name, "weight": weight} for name, weight in weights.items()]
    return WeightedRoute("the route", entries, NamedArms())


def weights_of(moved: WeightedRoute) -> dict[str, int]:
    return {entry["name"]: entry["weight"] for entry in moved.entries}


def test_each_canary_gets_its_weight_and_stable_the_rest():
    moved = route(stable=100, first=0, second=0)
    assert move(moved, Split(15, canaries=(5, 10))) is False
    assert weights_of(moved) == {"stable": 85, "first": 5, "second": 10}
    assert moved.shares() == (Fraction(1, 20), Fraction(1, 10))


def test_a_split_of_one_canary_gives_the_second_nothing():
    moved = route(stable=85, first=5, second=10)
    move(moved, Split(7))
    assert weights_of(moved) == {"stable": 93, "first": 7, "second": 0}
    assert move(moved, Split(0)) is False
    assert moved.shares() == ()


def test_new_canaries_keep_the_order_of_the_arms():
    moved = route(other=0, stable=100)
    assert move(moved, Split(10, canaries=(0, 10))) is True
    assert move(moved, Split(15, canaries=(5, 10))) is True
    assert [*weights_of(moved)] == ["other", "stable", "first", "second"]
    moved = route(other=0, second=10)
    move(moved, Split(10, canaries=(4, 6)))
    assert [*weights_of(moved)] == ["stable", "other", "first", "second"]


def test_others_keep_their_share_beside_three_arms():
    moved = route(stable=2, other=1)
    move(moved, Split(15, canaries=(5, 10)))
    assert weights_of(moved) == {"stable": 17, "other": 10, "first": 1, "second": 2}


def test_weights_above_the_mesh_s_largest_are_refused():
    moved = route(stable=900, other=700)
    with pytest.raises(RouteError, match="the route would need weights above 1000"):
        move(moved, Split(15, 10_000, canaries=(7, 8)))
    assert weights_of(moved) == {"stable": 900, "other": 700}


def test_every_canary_that_we_added_is_removed():
    moved = route(stable=100, first=0, second=0)
    moved.entries[1]["filter"] = "of somebody else"
    remove_default_canary(moved, lambda more: not more)
    assert [entry["name"] for entry in moved.entries] == ["stable", "first"]


def test_a_split_of_more_canaries_than_the_mesh_has_is_an_error():
    with pytest.raises(ValueError, match="a split of 3 canaries for 2"):
        move(route(stable=100), Split(6, canaries=(1, 2, 3)))
