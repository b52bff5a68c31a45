"""Laws of the analysis room that no counts may break."""

import functools
import itertools
import math
import operator

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from analysis import log_arrays, sample_ratio
from analysis.counting.beyond import count_beyond
from analysis.counting.counts import Counts
from analysis.dispersion.dispersion import Dispersion
from analysis.histograms import bucket_test
from analysis.rates import excess_bound, ratio_test
from analysis.rates.rate import RateMargin
from analysis.verdict.never_test import NeverTest
from analysis.verdict.rate_test import RateTest
from analysis.verdict.verdict import Guarded, judge
from benchmarks.worlds import paths
from tests.support.counts import SCALE, counts, rates, shapes, start

buckets = st.tuples(*[counts] * 6)
margins = st.sampled_from([(1.0, 0.01), (1.25, 0.0), (2.0, 0.05)])
chances = st.floats(0, 1)
exposures = st.integers(1, 8)
drifts = st.floats(-sample_ratio.TOLERANCE, sample_ratio.TOLERANCE)
directions = st.sampled_from(["high", "low"])


def judged(test, alpha=0.01):
    judgement = judge({"it": Guarded(test, 1.0)}, alpha, 0.05)
    numbers = vars(judgement.readouts["it"]).values()
    assert math.isfinite(judgement.log_joint)
    assert all(math.isfinite(n) for n in numbers if isinstance(n, int | float))
    return judgement


@given(margins, st.lists(rates, max_size=5))
def test_a_rates_capital_is_finite_for_any_counts(margin, looks):
    test = RateTest(RateMargin(*margin))
    for index, evidence in enumerate(looks):
        test = (RateTest.learn, RateTest.watch, RateTest.update)[min(index, 2)](test, evidence)
    judged(test)
    assert 0 <= test.excess_rate(0.05) <= 1


@given(shapes, st.lists(st.tuples(buckets, buckets), max_size=5))
def test_a_shapes_capital_is_finite_for_any_counts(shape, looks):
    rule, edges = shape
    test = start(rule)
    for canary, stable in looks:
        test = test.update(Counts(canary, stable, edges))
    judged(test)


def shown(rule, looks):
    """What is shown after these looks."""
    test = start(rule)
    for evidence in looks:
        test = test.update(evidence)
    return judged(test).readouts["it"]


def within(readout):
    """Whether the difference that is shown lies in its own interval, but for rounding."""
    if readout.estimate is None:
        return True
    return readout.low - 1e-9 <= readout.estimate <= readout.high + 1e-9


SPREAD = Dispersion(cluster=3.0, lasting=0.01, pods_canary=2, pods_stable=8)


@given(margins, st.sampled_from([None, SPREAD]), st.lists(rates, max_size=5))
def test_a_rates_difference_lies_within_its_own_interval(margin, dispersion, looks):
    assert within(shown(RateMargin(margin[0], margin[1], dispersion), looks))


@given(shapes, st.lists(st.tuples(buckets, buckets), max_size=5))
def test_a_shapes_difference_lies_within_its_own_interval(shape, looks):
    rule, edges = shape
    assert within(shown(rule, [Counts(canary, stable, edges) for canary, stable in looks]))


@given(margins, rates, counts)
def test_more_bad_units_never_lower_harm_nor_raise_safety(margin, evidence, more):
    rule = RateMargin(*margin)
    worse = Counts((evidence.canary[0], evidence.canary[1] + more), evidence.stable)
    better, worse_test = (start(rule).update(e) for e in (evidence, worse))
    slack = 1e-9 * (1 + abs(better.logs.harm))
    assert worse_test.logs.harm >= better.logs.harm - slack
    assert worse_test.logs.safe <= better.logs.safe + slack


@given(shapes, buckets, buckets, st.integers(0, 4))
def test_a_slower_unit_never_lowers_harm_nor_raises_safety(shape, canary, stable, bucket):
    rule, edges = shape
    past = (300, 200, 100, 100, 200, 100)
    before = start(rule).learn(Counts((0,) * 6, past, edges))
    moved = list(canary)
    better, worse = (bucket, bucket + 1) if rule.worse == "high" else (bucket + 1, bucket)
    moved[better], moved[worse] = 0, moved[worse] + moved[better]
    better, worse_test = (before.update(Counts(c, stable, edges)) for c in (canary, tuple(moved)))
    slack = 1e-9 * (1 + sum(canary) + sum(stable))
    assert worse_test.logs.harm >= better.logs.harm - slack
    assert worse_test.logs.safe <= better.logs.safe + slack


@given(margins, rates)
def test_exposures_on_one_arm_only_change_no_capital(margin, evidence):
    rule = RateMargin(*margin)
    before = start(rule).update(Counts((50, 3), (90, 2)))
    for one_armed in (Counts((0, 0), evidence.stable), Counts(evidence.canary, (0, 0))):
        assert before.update(one_armed) == before


@given(shapes, buckets)
def test_a_shape_on_one_arm_only_bets_nothing(shape, some):
    rule, edges = shape
    past = (300, 200, 100, 100, 200, 100)
    before = start(rule).update(Counts(past, past, edges))
    for canary, stable in ((some, (0,) * 6), ((0,) * 6, some)):
        after = before.update(Counts(canary, stable, edges))
        assert after.logs.harm == before.logs.harm
        assert after.logs.safe == before.logs.safe


@given(counts, counts, st.floats(0, 1))
def test_shares_stay_finite(canary, stable, share):
    logs = sample_ratio.increment(canary, stable, share)
    assert np.isfinite(logs).all()
    assert sample_ratio.update(sample_ratio.start(), 0, 0, share) == sample_ratio.start()


@given(margins, st.lists(rates, max_size=3))
def test_a_rollouts_own_arithmetic_is_that_of_many_to_the_last_bit(margin, looks):
    ratio, absolute = margin
    test = RateTest(RateMargin(*margin))
    harm, below, above = np.zeros(6), np.zeros(12), np.zeros(12)
    for look in looks:
        test = test.update(look)
        (e_c, x_c), (e_s, x_s) = look.canary, look.stable
        harm += ratio_test.increment([e_c], [e_s], [x_c], [x_s], ratio=ratio, absolute=absolute)[0]
        below += paths.below([e_c], [e_s], [x_c], [x_s], ratio)[0]
        above += paths.above([e_c], [e_s], [x_c], [x_s], ratio)[0]
    assert test.capital.harm == tuple(harm)
    assert (test.capital.contrast.below, test.capital.contrast.above) == (
        tuple(below),
        tuple(above),
    )
    assert test.logs.harm == log_arrays.log_mean([harm], ratio_test.WEIGHTS)[0]


@given(st.lists(st.tuples(exposures, exposures), max_size=4), exposures, st.floats(0.01, 1), drifts)
def test_whenever_its_bets_start_a_right_share_never_gains_in_expectation(past, requests, s, drift):
    capital = sample_ratio.start()
    for canary, stable in past:
        capital = sample_ratio.update(capital, canary, stable, s)
    odds = math.exp(drift) * s / (1 - s) if s < 1 else math.inf
    share = odds / (1 + odds) if s < 1 else sample_ratio.FULL
    expected = sum(
        chance * math.exp(sample_ratio.log_mismatch(after))
        for canary, chance in enumerate(binomial(requests, share))
        for after in [sample_ratio.update(capital, canary, requests - canary, s)]
    )
    assert expected <= math.exp(sample_ratio.log_mismatch(capital)) * (1 + 1e-9)


def binomial(n, p):
    return [math.comb(n, k) * p**k * (1 - p) ** (n - k) for k in range(n + 1)]


def expectation(increments, e_c, e_s, p_c, p_s):
    """E exp(increment) over independent requests, exactly: per point or level."""
    chance = np.outer(binomial(e_c, p_c), binomial(e_s, p_s))
    x_c, x_s = np.meshgrid(np.arange(e_c + 1), np.arange(e_s + 1), indexing="ij")
    return (np.exp(increments(x_c, x_s)) * chance[..., None]).sum(axis=(0, 1))


@given(exposures, exposures, chances, chances, margins)
def test_a_harmless_canary_never_gains_in_expectation(e_c, e_s, p_s, share, margin):
    ratio, absolute = margin
    p_c = share * min(1.0, ratio * p_s + absolute)

    def increments(x_c, x_s):
        return ratio_test.increment(e_c, e_s, x_c, x_s, ratio=ratio, absolute=absolute)

    assert (expectation(increments, e_c, e_s, p_c, p_s) <= 1 + 1e-9).all()


@given(exposures, exposures, chances, chances, st.sampled_from([1.0, 1.25, 2.0]))
def test_both_bounds_of_the_excess_are_fair_bets(e_c, e_s, p_c, p_s, ratio):
    excess = e_c * (p_c - ratio * p_s)

    def few(x_c, x_s):
        return bets(x_c, x_s)[..., 0, :] + excess_bound.LEVELS * excess

    def many(x_c, x_s):
        return bets(x_c, x_s)[..., 1, :] - excess_bound.LEVELS * excess

    def bets(x_c, x_s):
        return excess_bound.gain(e_c, e_s, x_c[..., None, None], x_s[..., None, None], ratio)

    assert (expectation(few, e_c, e_s, p_c, p_s) <= 1 + 1e-9).all()
    assert (expectation(many, e_c, e_s, p_c, p_s) <= 1 + 1e-9).all()


pasts = st.lists(st.integers(0, 10**9), min_size=6, max_size=6).map(np.array)


@given(pasts, st.sampled_from([0.1, 0.25]))
def test_alternatives_are_distributions_whose_ratio_rises_with_badness(past, tolerance):
    q_s = bucket_test.smoothed(past)
    cuts = bucket_test.boundaries(SCALE, "low", relative=False)
    for q_a in (bucket_test.worse_latencies(q_s), bucket_test.worse_scores(q_s, cuts, tolerance)):
        ratio = q_a / q_s
        assert np.allclose(q_a.sum(axis=-1), 1)
        assert (np.diff(ratio, axis=-1) >= -1e-9 * ratio[..., 1:]).all()


@given(pasts, pasts, st.integers(1, 20), st.integers(1, 20), st.integers(0, 5))
def test_a_better_or_equal_distribution_never_gains_in_expectation(past, now, e_c, e_s, better):
    """The common distribution need not be like the past; the canary's may be better still."""
    q_s, p_s = bucket_test.smoothed(past), bucket_test.smoothed(now)
    p_c = p_s.copy()
    p_c[0], p_c[better] = p_c[0] + p_c[better] * (better > 0), p_c[better] * (better == 0)
    q_a = bucket_test.worse_latencies(q_s)
    unit = np.eye(6)
    blend = (e_c * q_a + e_s * q_s) / (e_c + e_s)
    units = ((p_c * q_a / blend).sum(axis=-1), (p_s * q_s / blend).sum(axis=-1))
    assert (e_c * np.log(units[0]) + e_s * np.log(units[1]) <= 1e-9).all()
    both = itertools.product(range(6), repeat=2)
    ratios = bucket_test.likelihood_ratios(q_s, q_a)
    exact = sum(
        p_c[i] * p_s[j] * np.exp(bucket_test.gain(unit[i], unit[j], *ratios)) for i, j in both
    )
    assert (exact <= 1 + 1e-9).all()


@given(
    st.lists(st.floats(0.2, 3.0), min_size=1, max_size=8),
    st.lists(st.floats(-3.0, 25.0), min_size=1, max_size=40),
    st.floats(0.01, 0.19),
)
def test_in_wide_buckets_no_units_are_worse_than_stable_moved_by_the_tolerance(widths, units, step):
    """Wherever in their buckets they lay: the canary that is just acceptable is no harm."""
    cuts = np.cumsum(widths)
    moved = _buckets(units, cuts) @ bucket_test.shift_matrix(tuple(map(float, cuts)), step)
    worse = _buckets(np.add(units, 0.94 * step), cuts)
    assert (moved.cumsum()[:-1] <= worse.cumsum()[:-1]).all()


def _buckets(units, cuts):
    return np.bincount(np.searchsorted(cuts, units), minlength=cuts.size + 1)


@given(st.floats(0, 1), st.floats(0, 1), st.floats(1, 5), st.floats(0, 1))
def test_prior_weights_are_weights(p_c, p_s, ratio, absolute):
    weights = excess_bound.prior(p_c, p_s, ratio, absolute)
    assert (weights > 0).all()
    assert math.isclose(weights.sum(), 1)


@given(st.lists(st.floats(-1e12, 1e3), min_size=12, max_size=12), st.floats(0.001, 0.4))
def test_a_stricter_level_gives_a_wider_bound(logs, alpha):
    loose, strict = (excess_bound.excess_bound(logs, a) for a in (alpha, alpha / 2))
    assert math.isfinite(loose)
    assert strict >= loose - 1e-6 * (1 + abs(loose))


@given(margins, st.lists(st.tuples(buckets, buckets), max_size=4), st.integers(0, 4), directions)
def test_a_share_beyond_an_edge_is_judged_as_a_counter_of_the_same_units(margin, looks, at, worse):
    edges = (0.1, 0.2, 0.5, 1.0, 2.5, math.inf)
    by_edge, by_counter = RateTest(RateMargin(*margin)), RateTest(RateMargin(*margin))
    for canary, stable in looks:
        by_edge = by_edge.update(count_beyond(Counts(canary, stable, edges), edges[at], worse))
        bad = slice(at + 1) if worse == "low" else slice(at + 1, None)
        first, second = ((sum(units), sum(units[bad])) for units in (canary, stable))
        by_counter = by_counter.update(Counts(first, second))
    assert by_edge == by_counter


@given(st.lists(st.tuples(buckets, buckets), min_size=2, max_size=4), directions)
def test_units_beyond_an_edge_add_up_over_pods_and_layouts(pods, worse):
    edges, merged_edges = (0.1, 0.2, 0.5, 1.0, 2.5, math.inf), (0.5, math.inf)
    whole = functools.reduce(operator.add, (Counts(c, s, edges) for c, s in pods))
    coarse = [
        Counts((sum(c[:3]), sum(c[3:])), (sum(s[:3]), sum(s[3:])), merged_edges) for c, s in pods
    ]
    parts = [count_beyond(counts, 0.5, worse) for counts in coarse]
    assert functools.reduce(operator.add, parts) == count_beyond(whole, 0.5, worse)


@given(margins, st.lists(rates, min_size=1, max_size=4), chances, chances)
def test_units_without_a_label_count_against_whoever_gains_by_them(margin, looks, of_c, of_s):
    doubted, for_harm, for_safety = (RateTest(RateMargin(*margin)) for _ in range(3))
    for counted in looks:
        (e_c, x_c), (e_s, x_s) = counted.canary, counted.stable
        u_c, u_s = int((e_c - x_c) * of_c), int((e_s - x_s) * of_s)
        doubted = doubted.update(Counts((e_c, x_c), (e_s, x_s), (), u_c, u_s))
        for_harm = for_harm.update(Counts((e_c, x_c), (e_s, x_s + u_s)))
        for_safety = for_safety.update(Counts((e_c, x_c + u_c), (e_s, x_s)))
    assert doubted.logs.harm == for_harm.logs.harm
    assert doubted.logs.safe == for_safety.logs.safe


@given(margins, st.lists(rates, min_size=1, max_size=3), st.integers(1, 3), st.integers(0, 3))
def test_what_must_not_happen_spends_nothing_of_the_error_rates(margin, looks, limit, occurred):
    errors, leaks = RateTest(RateMargin(*margin)), NeverTest(limit)
    for counted in looks:
        errors = errors.update(counted)
    leaks = leaks.update(Counts((9, occurred), (0, 0)))
    alone = judge({"errors": Guarded(errors, 1.0)}, 0.01, 0.05)
    both = judge({"errors": Guarded(errors, 1.0), "leaks": Guarded(leaks, 100.0)}, 0.01, 0.05)
    assert both.log_joint == alone.log_joint
    assert both.verdicts["errors"] == alone.verdicts["errors"]
    assert both.harmful == (alone.harmful or occurred >= limit)
    assert ("leaks" in both.cause) == (occurred >= limit)
    assert both.safe == (alone.safe and occurred < limit)
