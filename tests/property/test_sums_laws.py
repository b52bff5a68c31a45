"""Laws of means that are known only by sums and counts."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.sums import LEAST_LOOKS, Difference, Sums, compared, interval

HUGE = 10**12
units = st.one_of(st.integers(0, 50), st.integers(0, HUGE))
means = st.floats(-1, 1)
seen = st.tuples(units, units, means, means)
LOOKS = st.lists(seen, min_size=LEAST_LOOKS, max_size=LEAST_LOOKS + 5)


def folded(looks, level=0.0):
    running = Difference()
    for n_c, n_s, mean_c, mean_s in looks:
        sums = Sums(n_c, n_s, n_c * (mean_c + level), n_s * (mean_s + level))
        running = compared(running, sums)
    return running


@given(LOOKS)
def test_bounds_are_no_nan_and_hold_the_estimate_for_any_counts(looks):
    running = folded(looks)
    low, high = interval(running, 0.05)
    assert not math.isnan(low + high) or (low, high) == (-math.inf, math.inf)
    if running.estimate is not None:
        assert low <= running.estimate <= high


@given(st.lists(seen, min_size=2, max_size=5), st.data())
def test_the_order_of_looks_does_not_matter(looks, data):
    one, two = folded(looks), folded(data.draw(st.permutations(looks)))
    assert vars(two) == pytest.approx(vars(one), rel=1e-9, abs=1e-6)


@given(st.lists(seen, min_size=1, max_size=5), st.floats(-5, 5))
def test_a_level_that_both_arms_share_moves_no_difference(looks, level):
    one, two = folded(looks).estimate, folded(looks, level).estimate
    assert (one is None) == (two is None)
    assert two == one or two == pytest.approx(one, abs=1e-9)


@given(st.lists(seen, max_size=3), units, means)
def test_units_on_one_arm_only_change_nothing(looks, n, mean):
    running = folded(looks)
    assert compared(running, Sums(n, 0, n * mean, 0.0)) == running
    assert compared(running, Sums(0, n, 0.0, n * mean)) == running
