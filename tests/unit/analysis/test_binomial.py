"""The Clopper-Pearson bound against its definition and known values."""

import math

import pytest
from scipy.stats import binom, binomtest

from analysis.binomial import lower_tail, upper_bound, upper_tail


@pytest.mark.parametrize(("k", "n"), [(0, 10), (1, 10), (3, 1000), (9, 10), (0, 1), (250, 2000)])
@pytest.mark.parametrize("level", [0.5, 0.9, 0.95, 0.99])
def test_so_few_successes_have_exactly_the_remaining_probability(k, n, level):
    assert binom.cdf(k, n, upper_bound(k, n, level)) == pytest.approx(1 - level, rel=1e-6)


def test_it_is_the_upper_end_of_scipy_s_two_sided_interval_at_half_the_risk():
    exact = binomtest(4, 100).proportion_ci(0.9, method="exact").high
    assert upper_bound(4, 100, 0.95) == pytest.approx(exact)


def test_nothing_seen_in_n_is_the_rule_of_three():
    assert upper_bound(0, 299) == pytest.approx(1 - 0.05 ** (1 / 299))
    assert upper_bound(0, 298) > 0.01 > upper_bound(0, 299)


def test_the_ends():
    assert upper_bound(0, 0) == upper_bound(5, 5) == 1.0
    assert math.isfinite(upper_bound(0, 10**9))


@pytest.mark.parametrize("numbers", [(-1, 3), (4, 3), (1, 3, 0.0), (1, 3, 1.0)])
def test_what_is_no_count_is_refused(numbers):
    with pytest.raises(ValueError, match="no bound"):
        upper_bound(*numbers)


@pytest.mark.parametrize(("k", "n"), [(0, 10), (1, 10), (3, 1000), (10, 10), (0, 0), (250, 2000)])
@pytest.mark.parametrize("share", [0.0, 0.001, 0.3, 1.0])
def test_the_tail_is_scipy_s_survival_function(k, n, share):
    assert upper_tail(k, n, share) == pytest.approx(binom.sf(k - 1, n, share))
    assert lower_tail(k, n, share) == pytest.approx(binom.cdf(k, n, share))


@pytest.mark.parametrize(("k", "n", "share"), [(-1, 3, 0.5), (4, 3, 0.5), (1, 3, 1.5)])
def test_no_tail_outside_the_trials(k, n, share):
    with pytest.raises(ValueError, match="no tail"):
        upper_tail(k, n, share)
