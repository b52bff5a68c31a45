"""Means known only by sums: coverage at all looks together, and bad input."""

import math

import numpy as np
import pytest

from analysis.sums import LEAST_LOOKS, Difference, Sums, compared, interval


def rollout(rng, looks=150, shift=0.2):
    """Bounds after each look; skewed values, a wandering level, a weight that grows."""
    running, level, bounds = Difference(), 0.0, []
    for look in range(looks):
        level += rng.normal(0, 0.3)
        n_c, n_s = int(rng.poisson(10 * (1 + look // 50))), int(rng.poisson(60))
        sum_c = rng.gamma(n_c, 1.0) + (level + shift) * n_c if n_c else 0.0
        sum_s = rng.gamma(n_s, 1.0) + level * n_s if n_s else 0.0
        running = compared(running, Sums(n_c, n_s, sum_c, sum_s))
        bounds.append(interval(running, 0.05))
    return np.array(bounds)


def test_the_difference_is_covered_at_all_looks_together():
    runs, alpha = 300, 0.05
    rng = np.random.default_rng(51)
    bounds = np.array([rollout(rng) for _ in range(runs)])
    missed = ((bounds[..., 0] > 0.2) | (bounds[..., 1] < 0.2)).any(axis=1).mean()
    assert missed <= alpha + 3 * np.sqrt(alpha * (1 - alpha) / runs)
    assert (bounds[:, -1, 1] - bounds[:, -1, 0]).mean() < 0.25


def test_nothing_is_said_before_the_variance_is_known():
    bounds = rollout(np.random.default_rng(52), LEAST_LOOKS - 1)
    assert np.isinf(bounds).all()


def test_a_look_without_units_on_both_arms_changes_nothing():
    running = compared(Difference(), Sums(10, 20, 3.0, 5.0))
    assert compared(running, Sums(0, 20, 0.0, 5.0)) == running
    assert compared(running, Sums(10, 0, 3.0, 0.0)) == running
    assert Difference().estimate is None
    assert interval(Difference(), 0.05) == (-math.inf, math.inf)


def test_huge_counts_stay_finite():
    running = Difference()
    for look in range(LEAST_LOOKS):
        running = compared(running, Sums(10**12, 10**12, 1e12 + look, 2e12))
    low, high = interval(running, 0.01)
    assert low <= high
    assert low == pytest.approx(-1)
    assert high == pytest.approx(-1)


def test_sums_whose_squares_overflow_say_nothing():
    running = Difference()
    for _ in range(LEAST_LOOKS):
        running = compared(running, Sums(10, 10, 1e300, -1e300))
    assert interval(running, 0.05) == (-math.inf, math.inf)


def test_looks_that_agree_to_the_last_digit_leave_an_interval_all_the_same():
    running = Difference()
    for _ in range(LEAST_LOOKS):
        running = compared(running, Sums(10**12, 10**12, 0.7e12, 0.1e12))
    low, high = interval(running, 0.05)
    assert low < 0.6 < high < 0.6 + 1e-5


@pytest.mark.parametrize(
    "seen",
    [
        Sums(-1, 5, 0, 0),
        Sums(1.5, 5, 0, 0),
        Sums(math.inf, 5, 0, 0),
        Sums(5, math.nan, 0, 0),
        Sums(1, 1, math.nan, 0),
        Sums(1, 1, 0, math.inf),
        Sums(0, 1, 3, 0),
    ],
)
def test_what_is_no_sum_is_refused(seen):
    with pytest.raises(ValueError, match="units"):
        compared(Difference(), seen)
