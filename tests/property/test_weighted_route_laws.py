"""Laws of a route with three arms and others beside them, for any weights and any split."""

from fractions import Fraction

from hypothesis import assume, given
from hypothesis import strategies as st

from rollout.decide.record.facts import FACT, Decided
from rollout.decide.record.split import Split
from rollout.errors import RouteError
from rollout.route.nearest import nearest
from rollout.route.weighted_route import WeightedRoute, move
from tests.support.arms import NamedArms

WEIGHTS = st.integers(0, 30)
NAMES = ("stable", "first", "second", "other", "another")
ROUTES = st.dictionaries(st.sampled_from(NAMES), WEIGHTS, min_size=1).filter(
    lambda weights: any(weights.get(name) for name in NamedArms.arms)
)


@st.composite
def splits(draw, total=100):
    """Splits of one canary or of two, also of none."""
    first, second = draw(st.integers(0, total)), draw(st.integers(0, total))
    if first + second > total or not first + second:
        return Split(first, total)
    return Split(first + second, total, canaries=(first, second))


def shares_of_all(route):
    total = sum(entry["weight"] for entry in route.entries)
    return {entry["name"]: Fraction(entry["weight"], total) for entry in route.entries}


def moved(weights, split):
    entries = [{"name": name, "weight": weight} for name, weight in weights.items()]
    route = WeightedRoute("the route", entries, NamedArms())
    try:
        move(route, split)
    except RouteError:
        assume(False)
    return route


@given(ROUTES, splits())
def test_move_gives_each_canary_its_share(weights, split):
    route = moved(weights, split)
    expected = tuple(Fraction(weight, split.total) for weight in split.canary_weights(2))
    assert route.shares() == (expected if split.canary else ())
    assert nearest(route.shares(), split.total).canary_weights(2) == split.canary_weights(2)


@given(ROUTES, splits())
def test_move_keeps_the_share_of_others(weights, split):
    route, total = moved(weights, split), sum(weights.values())
    after = shares_of_all(route)
    for name in {"other", "another"} & weights.keys():
        assert after[name] == Fraction(weights[name], total)


@given(ROUTES, splits())
def test_move_writes_whole_weights_that_the_mesh_accepts(weights, split):
    route = moved(weights, split)
    assert all(isinstance(entry["weight"], int) for entry in route.entries)
    assert all(0 <= entry["weight"] <= NamedArms.max_weight for entry in route.entries)


@given(ROUTES, splits())
def test_move_is_idempotent(weights, split):
    route = moved(weights, split)
    once = [dict(entry) for entry in route.entries]
    assert move(route, split) is False
    assert route.entries == once


@given(st.lists(st.integers(0, 1000), min_size=1, max_size=4), st.integers(0, 1000))
def test_nearest_keeps_the_sum_and_rounds_no_traffic_away(weights, stable):
    total = sum(weights) + stable
    assume(total)
    shares = [Fraction(weight, total) for weight in weights]
    split = nearest(shares, 100)
    canaries = split.canary_weights(len(weights))
    assert sum(canaries) + split.stable == 100
    assert all((weight > 0) == (share > 0) for weight, share in zip(canaries, shares, strict=True))
    assert (split.stable > 0) == (stable > 0)
    assert all(
        abs(weight - share * 100) < len(weights) + 1
        for weight, share in zip(canaries, shares, strict=True)
    )


@given(splits())
def test_a_recorded_split_is_read_as_it_was(split):
    fact = Decided(rollout="r", at=1.0, action="hold", split=split, reasons=(), sentence="")
    assert FACT.validate_json(FACT.dump_json(fact)) == fact
