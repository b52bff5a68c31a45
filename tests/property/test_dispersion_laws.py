"""Laws of the tests that hold under dispersion."""

import functools
import itertools
import math
from dataclasses import replace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.counting.counts import Counts
from analysis.dispersion import estimate, tempering
from analysis.dispersion.dispersion import Dispersion
from analysis.dispersion.estimate import ExposureHistory
from analysis.histograms.alternatives import HistogramTolerance
from analysis.rates import robust_test
from analysis.rates.rate import RateMargin
from benchmarks.worlds import paths
from tests.support.counts import start
from tests.support.examples import draw_up_to

HUGE = 10**12
EDGES = (10.0, 20.0, 25.0, 40.0, 50.0, math.inf)
PAST = (300, 200, 100, 100, 200, 100)
counts = st.one_of(st.integers(0, 50), st.integers(0, HUGE))
buckets = st.tuples(*[counts] * 6)
margins = st.sampled_from([(1.0, 0.01), (1.25, 0.0), (2.0, 0.05)])
rates = st.builds(
    lambda c, s, x, y: Counts((c, min(x, c)), (s, min(y, s))), counts, counts, counts, counts
)
dispersions = st.builds(
    Dispersion,
    cluster=st.floats(1, 50),
    brief=st.sampled_from([0.0, 0.1, 2.0]),
    passing=st.sampled_from([0.0, 0.5, 5.0]),
    lasting=st.sampled_from([0.0, 0.01, 0.3]),
    inflation=st.floats(1, 500),
    pods_canary=st.integers(1, 5),
    pods_stable=st.integers(2, 20),
)


def folded(rule, looks):
    capital = start(rule)
    for evidence in looks:
        capital = capital.update(evidence)
    return capital


@given(margins, dispersions, st.lists(rates, min_size=1, max_size=4))
def test_capital_is_finite_for_any_counts(margin, dispersion, looks):
    rule = RateMargin(margin[0], margin[1], dispersion)
    capital = folded(rule, looks)
    assert math.isfinite(capital.logs.harm)
    assert math.isfinite(capital.logs.safe)
    assert math.isfinite((capital.watch(looks[0])).logs.crash)
    assert 0 <= capital.excess_rate(0.05) <= 1


@settings(deadline=None)  # the first example imports scipy.special
@given(dispersions, st.lists(st.tuples(buckets, buckets), min_size=1, max_size=3))
def test_a_shapes_capital_is_finite_for_any_counts(dispersion, looks):
    rule = HistogramTolerance(0.25, relative=True, worse="high", dispersion=dispersion)
    capital = folded(rule, [Counts(canary, stable, EDGES) for canary, stable in looks])
    assert math.isfinite(capital.logs.harm)
    assert not math.isnan(capital.logs.safe)


ratios = st.sampled_from([1.0, 1.25, 2.0])
traffic = st.integers(1, HUGE)


@st.composite
def at_one_share(draw):
    """Looks in which the canary has the same share of the requests."""
    e_c, e_s = draw(traffic), draw(traffic)
    sizes = draw(st.lists(st.integers(1, 1000), min_size=1, max_size=4))
    bad = [(draw(counts), draw(counts)) for _ in sizes]
    return [
        Counts((k * e_c, min(x, k * e_c)), (k * e_s, min(y, k * e_s)))
        for k, (x, y) in zip(sizes, bad, strict=True)
    ]


def with_more(looks, index, more):
    """Return the looks with more bad units of the canary in one of them."""
    e, x = looks[index].canary
    return [*looks[:index], Counts((e, x + more), looks[index].stable), *looks[index + 1 :]]


@given(ratios, dispersions, at_one_share(), st.data(), counts)
def test_more_bad_units_never_lower_harm_nor_raise_safety(ratio, dispersion, looks, data, more):
    rule, index = RateMargin(ratio, 0.0, dispersion), data.draw(st.integers(0, len(looks) - 1))
    first, second = (folded(rule, many) for many in (looks, with_more(looks, index, more)))
    slack = 1e-9 * (1 + abs(first.logs.harm))
    assert second.logs.harm >= first.logs.harm - slack
    assert second.logs.safe <= first.logs.safe + slack


@given(ratios, dispersions, st.lists(rates, min_size=1, max_size=4), st.data(), counts)
def test_where_the_share_moves_only_share_bets_may_fall_and_never_to_a_loss(
    ratio, dispersion, looks, data, more
):
    """A block of share bets has one stake, which is set by its bad units wherever they came.

    So a bad unit that came while the canary had nearly all requests, and tells next to nothing,
    lowers what is staked on those of before.
    """
    index, noise = data.draw(st.integers(0, len(looks) - 1)), tempering.noise(dispersion)
    noise = noise._replace(block=np.asarray(float(len(looks))))
    first, second = (
        functools.reduce(
            lambda state, look: robust_test.update(
                state,
                noise,
                robust_test.ArmCounts(
                    look.canary[0], look.stable[0], look.canary[1], look.stable[1]
                ),
                ratio=ratio,
            ),
            many,
            robust_test.start(),
        )
        for many in (looks, with_more(looks, index, more))
    )
    *others, bets = robust_test.members(first, noise)
    *others_then, bets_then = robust_test.members(second, noise)
    slack = 1e-9 * (1 + np.abs(others))
    assert (np.array(others_then) >= np.array(others) - slack).all()
    assert bets < 0 or bets_then >= -1e-9
    rule = RateMargin(ratio, 0.0, dispersion)
    safe, safe_then = (
        folded(rule, many).logs.safe for many in (looks, with_more(looks, index, more))
    )
    assert safe_then <= safe + 1e-9 * (1 + abs(safe))


@draw_up_to(40)
@given(dispersions, st.floats(1, 2), st.integers(0, 40))
def test_after_a_good_climb_too_more_bad_units_are_no_less_evidence(dispersion, inflation, stable):
    dispersion = replace(dispersion, inflation=inflation)
    bad = np.arange(0, 101, 10)
    x_c, x_s = np.ones((11, 101)), np.full((11, 101), 20)
    x_c[:, -1], x_s[:, -1] = bad, stable
    looks = robust_test.ArmCounts(np.full_like(x_c, 100), np.full_like(x_c, 900), x_c, x_s)
    after = paths.robust_logs([dispersion] * 11, looks)[:, -1]
    assert (np.diff(after) >= -1e-9 * (1 + np.abs(after[1:]))).all()


@settings(deadline=None)  # as above
@given(dispersions, buckets, buckets, st.integers(0, 4))
def test_a_slower_unit_never_lowers_harm_nor_raises_safety(dispersion, canary, stable, index):
    rule = HistogramTolerance(0.25, relative=True, worse="high", dispersion=dispersion)
    before = start(rule).learn(Counts((0,) * 6, PAST, EDGES))
    moved = list(canary)
    moved[index], moved[index + 1] = 0, moved[index + 1] + moved[index]
    first, second = (before.update(Counts(c, stable, EDGES)) for c in (canary, tuple(moved)))
    slack = 1e-9 * (1 + sum(canary) + sum(stable))
    assert second.logs.harm >= first.logs.harm - slack
    assert second.logs.safe <= first.logs.safe + slack


@given(margins, dispersions, rates)
def test_exposures_on_one_arm_only_change_nothing(margin, dispersion, evidence):
    rule = RateMargin(margin[0], margin[1], dispersion)
    before = folded(rule, [Counts((50, 3), (90, 2))] * 2)
    for one_armed in (Counts((0, 0), evidence.stable), Counts(evidence.canary, (0, 0))):
        after = before.update(one_armed)
        assert after.logs.harm == before.logs.harm
        assert after.logs.safe == before.logs.safe


small = st.tuples(*[st.integers(1, 60)] * 2, *[st.integers(0, 20)] * 2)


@given(st.lists(small, min_size=2, max_size=4), dispersions)
def test_share_bets_do_not_care_for_the_order_within_a_block(looks, dispersion):
    noise = tempering.noise(dispersion)._replace(block=np.asarray(float(len(looks))))

    def bets(order):
        state = robust_test.start()
        for counts in order:
            state = robust_test.update(state, noise, robust_test.ArmCounts(*counts))
        assert state[-6:].tolist() == [0.0] * 6  # the block is settled
        return state[-16:-8]

    first = bets(looks)
    for order in itertools.permutations(looks):
        assert np.allclose(bets(order), first)


def binomial(n, p):
    return np.array([math.comb(n, k) * p**k * (1 - p) ** (n - k) for k in range(n + 1)])


@given(st.integers(1, 8), st.integers(1, 8), st.floats(0, 1), st.floats(0, 1),
       st.sampled_from([1.0, 1.25, 2.0]))  # fmt: skip
def test_independent_requests_of_a_harmless_canary_gain_nothing_in_expectation(
    e_c, e_s, p_s, share, ratio
):
    """Share bets are for rare errors where the ratio is above 1, so they are left out there."""
    chance = np.outer(binomial(e_c, share * min(1.0, ratio * p_s)), binomial(e_s, p_s))
    x_c, x_s = np.meshgrid(np.arange(e_c + 1), np.arange(e_s + 1), indexing="ij")
    noise = tempering.noise(Dispersion(inflation=1.0 if ratio > 1 else 3.0))
    if ratio > 1:
        noise = noise._replace(block=np.asarray(2.0))
    state = robust_test.update(
        robust_test.start(x_c.shape), noise, robust_test.ArmCounts(e_c, e_s, x_c, x_s), ratio=ratio
    )
    assert (np.exp(robust_test.log_harm(state, noise)) * chance).sum() <= 1 + 1e-9


@settings(deadline=None)  # as above
@given(st.integers(0, 2**32 - 1), st.permutations(range(6)))
def test_the_pods_have_no_order(seed, order):
    rng = np.random.default_rng(seed)
    e = rng.poisson(20, (estimate.LEAST_TICKS, 6))
    x = rng.binomial(e, rng.uniform(0, 0.3, 6))
    first, second = (
        estimate.estimate(ExposureHistory(e[:, o], x[:, o]), 2) for o in (range(6), order)
    )
    assert first.problem == second.problem
    numbers = [
        np.array([d.cluster, d.brief, d.passing, d.lasting, d.inflation]) for d in (first, second)
    ]
    assert np.allclose(numbers[0], numbers[1])
    assert np.isfinite(numbers).all()


shapes = st.builds(lambda canary, stable: Counts(canary, stable, EDGES), buckets, buckets)


@given(st.one_of(st.tuples(rates, rates, rates), st.tuples(shapes, shapes, shapes)))
def test_counts_merge_in_any_order(three):
    first, second, last = three
    assert (first + second) + last == first + (second + last)
    assert first + second == second + first
    assert first + Counts() == Counts() + first == first
