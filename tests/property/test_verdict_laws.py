"""Laws of what stands between capital and people: the mean, the interval shown, the bounds."""

import math

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from analysis.binomial import upper_bound
from analysis.information import harm_divergence, rate_divergence
from analysis.rates import late_starts, risk_difference
from analysis.rates.rate import RateMargin
from analysis.rates.risk_difference import Contrast, Units
from analysis.verdict.rate_test import RateTest
from analysis.verdict.verdict import Guarded, judge
from tests.support.counts import rates, shapes

margins = st.tuples(st.floats(1, 5), st.floats(0.001, 0.2))
importances = st.floats(0.1, 100)


def guarded(evidence, margin, importance):
    return Guarded(RateTest(RateMargin(*margin)).update(evidence), importance)


@given(st.lists(st.tuples(rates, margins, importances), min_size=1, max_size=4), st.randoms())
def test_the_mean_lies_among_its_parts_and_has_no_order(metrics, luck):
    guards = {str(i): guarded(*metric) for i, metric in enumerate(metrics)}
    judgement = judge(guards, 0.01, 0.05)
    assert judgement.log_crash is not None
    parts = [*judgement.log_parts.values(), judgement.log_crash]
    slack = 1e-9 * (1 + abs(judgement.log_joint))
    assert max(parts) - slack <= judgement.log_joint <= max(parts) + math.log(len(parts)) + slack
    mixed = [*guards]
    luck.shuffle(mixed)
    again = judge({name: guards[name] for name in mixed}, 0.01, 0.05)
    assert again.log_joint == pytest.approx(judgement.log_joint)
    assert again.verdicts == judgement.verdicts


logs = st.floats(-1e13, 1e13)


@given(logs, logs, st.floats(0, 1e13))
def test_what_waits_and_what_does_not_have_a_mean_that_grows_with_both(first, since, more):
    mean = late_starts.log_harm(first, since)
    assert min(first, since) - 1e-9 * (1 + abs(mean)) <= mean <= max(first, since) + 1e-9
    assert late_starts.log_harm(first + more, since) >= mean
    assert late_starts.log_harm(first, since + more) >= mean


def folded(looks, ratio):
    running = Contrast()
    for e in looks:
        bad = e.canary_bad, e.stable_bad, e.stable_bad
        running = risk_difference.compared(
            running, Units(e.canary_exposures, e.stable_exposures, *bad), ratio
        )
    return running


@given(st.lists(rates, max_size=5), st.floats(1, 3), st.data())
def test_what_is_shown_is_a_difference_of_shares_whatever_the_order_of_looks(looks, ratio, data):
    plain, permuted = folded(looks, ratio), folded(data.draw(st.permutations(looks)), ratio)
    intervals = (plain.difference, permuted.difference), (plain.stratified, permuted.stratified)
    for first, second in intervals:
        assert (first is None) == (second is None)
        if first is not None:
            assert -1 - 1e-9 <= first <= 1 + 1e-9
            assert second == pytest.approx(first, abs=1e-9)
    low, high = risk_difference.interval(plain, 0.05, 0.05)
    assert -1 <= low <= 1
    assert -1 <= high <= 1
    assert risk_difference.interval(permuted, 0.05, 0.05) == pytest.approx((low, high), abs=1e-6)


@given(st.just(0.0) | st.floats(1e-15, 1), margins, st.floats(0.01, 100), st.floats(0, 1))
def test_no_information_at_the_margin_and_more_beyond(p_s, margin, rho, fraction):
    ratio, absolute = margin
    allowed = ratio * p_s + absolute
    assume(allowed < 1)
    beyond = allowed + fraction * (1 - allowed)
    at, less, more = (
        rate_divergence(p, p_s, ratio, absolute, rho)
        for p in (allowed, (allowed + beyond) / 2, beyond)
    )
    assert abs(at) <= 1e-9
    assert -1e-9 <= less <= more + 1e-9


@given(shapes, st.lists(st.integers(0, 50), min_size=6, max_size=6), st.integers(0, 4))
def test_what_is_like_stable_or_better_shows_no_harm(shape, counts, bucket):
    rule, edges = shape
    assume(sum(counts))
    stable = [n / sum(counts) for n in counts]
    better, at, worse = [*stable], bucket, bucket + 1
    if rule.worse == "low":
        at, worse = worse, at
    better[at], better[worse] = better[at] + better[worse], 0.0
    for canary in (stable, better):
        assert harm_divergence(rule, edges[:-1], canary, stable) == 0.0


@settings(deadline=None)  # the first example imports scipy.special
@given(st.integers(0, 500), st.integers(1, 500), st.floats(0.5, 0.999))
def test_more_successes_raise_the_bound_and_more_trials_lower_it(successes, failures, level):
    trials = successes + failures
    bound = upper_bound(successes, trials, level)
    assert successes / trials < bound <= 1
    assert upper_bound(successes + 1, trials, level) >= bound
    assert upper_bound(successes, trials + 1, level) <= bound
