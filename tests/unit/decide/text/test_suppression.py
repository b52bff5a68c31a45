"""Few units of a segment are told nowhere, and cannot be computed from what is told."""

from __future__ import annotations

from typing import NamedTuple

import pytest

from analysis.fast_replace import replace
from rollout.decide.text.suppression import find_suppressed
from tests.support.worlds import Lab, plan

VALUES = ["a", "b", "c", "d"]
ERRORS = {"name": "errors", "template": "envoy/errors", "margin": {"absolute": "1%"}}


class Counted(NamedTuple):
    e_c: int
    e_s: int


class CountedCapital(NamedTuple):
    contrast: Counted


@pytest.fixture(scope="module")
def begun():
    segments = [{"label": "site", "values": VALUES, "atLeast": 20}]
    lab = Lab(plan=plan(segments=segments, guardrails=[ERRORS]))
    lab.run(4)
    return lab.state


def count(state, whole, *parts):
    """Return the state with so many units of the canary and of stable."""

    def having(own, units):
        return replace(own, test=replace(own.test, capital=CountedCapital(Counted(*units))))

    names = [f"errors[site={value}]" for value in VALUES]
    segments = {n: having(state.segments[n], u) for n, u in zip(names, parts, strict=True)}
    guardrails = {"errors": having(state.guardrails["errors"], whole)}
    return replace(state, guardrails=guardrails, segments=segments)


def suppress(state, whole, *parts):
    suppressed = find_suppressed(count(state, whole, *parts))
    return {name.removeprefix("errors[site=")[0]: why for name, why in suppressed.items()}


LARGE = [(100, 300), (80, 250), (90, 280)]


def test_enough_units_of_both_versions_are_told(begun):
    assert suppress(begun, (370, 1130), *LARGE, (100, 300)) == {}


@pytest.mark.parametrize("few", [(19, 300), (300, 19), (0, 0)])
def test_one_that_the_whole_would_give_away_takes_the_smallest_along(begun, few):
    whole = (270 + few[0], 830 + few[1])
    assert suppress(begun, whole, *LARGE, few) == {"d": "few", "b": "tells another"}


def test_a_few_units_of_no_value_hide_nothing(begun):
    """The rest is known to be small, so the whole minus the others is nearly the hidden one."""
    hidden = {"d": "few", "b": "tells another"}
    assert suppress(begun, (270 + 5 + 19, 830 + 9), *LARGE, (5, 9)) == hidden
    assert suppress(begun, (270 + 5, 830 + 9 + 500), *LARGE, (5, 9)) == hidden


def test_many_units_of_no_value_hide_it(begun):
    assert suppress(begun, (270 + 5 + 60, 830 + 9 + 180), *LARGE, (5, 9)) == {"d": "few"}


def test_two_with_few_units_hide_each_other(begun):
    parts = [LARGE[0], LARGE[1], (5, 9), (6, 8)]
    assert suppress(begun, (191, 567), *parts) == {"c": "few", "d": "few"}


def test_one_without_units_hides_no_other(begun):
    parts = [LARGE[0], LARGE[1], (5, 9), (0, 0)]
    hidden = {"c": "few", "d": "few", "b": "tells another"}
    assert suppress(begun, (185, 559), *parts) == hidden


def test_where_none_is_told_there_is_nothing_to_subtract(begun):
    assert set(suppress(begun, (20, 20), *[(5, 5)] * 4).values()) == {"few"}
