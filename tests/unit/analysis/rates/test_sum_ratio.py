"""The ratio of sums: what it estimates, and how often its rough interval misses."""

import math

import numpy as np
import pytest

from analysis.counting.counts import Counts
from analysis.rates.sum_ratio import FEWEST, SumRatio
from analysis.verdict.sum_ratio_test import SumRatioTest


def add_looks(looks):
    sums = SumRatio()
    for look in looks:
        sums = sums.with_look(*look)
    return sums


def test_what_moves_both_versions_cancels_and_the_weights_may_move():
    """Long answers by night, when the canary has most of the traffic: pooled sums say 1.7."""
    looks = [(10, 90, 10 * 100, 90 * 100)] * 30 + [(90, 10, 90 * 300, 10 * 300)] * 30
    sums = add_looks(looks)
    assert sums.ratio == pytest.approx(1.0)
    pooled = (sums.x_c / sums.e_c) / (sums.x_s / sums.e_s)
    assert pooled > 1.7
    doubled = [(e_c, e_s, 2 * x_c, x_s) for e_c, e_s, x_c, x_s in looks]
    assert add_looks(doubled).ratio == pytest.approx(2.0)


def test_a_look_of_one_version_alone_says_nothing():
    assert add_looks([(0, 9, 0, 900), (9, 0, 900, 0)]) == SumRatio()
    assert SumRatio().ratio is None
    assert SumRatio().interval is None
    assert add_looks([(9, 9, 0, 0)] * 50).ratio is None


def test_there_is_an_interval_once_enough_looks_vary():
    looks = [(10, 20, 900 + 17 * (k % 5), 2000 - 30 * (k % 3)) for k in range(60)]
    assert add_looks(looks[: FEWEST - 1]).interval is None
    few, many = add_looks(looks[:FEWEST]), add_looks(looks)
    (low, high), (narrow_low, narrow_high) = few.interval, many.interval
    assert low < narrow_low < many.ratio < narrow_high < high


def test_the_unit_of_the_sum_has_no_say():
    looks = [(10, 20, 900 + 17 * (k % 5), 2000 - 30 * (k % 3)) for k in range(60)]
    scaled = add_looks([(e_c, e_s, 10**6 * x_c, 10**6 * x_s) for e_c, e_s, x_c, x_s in looks])
    assert scaled.ratio == pytest.approx(add_looks(looks).ratio)
    assert scaled.interval == pytest.approx(add_looks(looks).interval)


def test_with_moderate_tails_the_interval_holds_about_as_often_as_it_says():
    """Geometric lengths at half of the traffic, looked at 120 times. Seed 71."""
    rng, runs, missed = np.random.default_rng(71), 200, 0
    for _ in range(runs):
        sums, is_out = SumRatio(), False
        for look in range(120):
            mean = 300 * (1 + 0.5 * math.sin(look / 20))
            e_c, e_s = (int(n) for n in rng.poisson(40, 2))
            x_c, x_s = (int(rng.geometric(1 / mean, n).sum()) for n in (e_c, e_s))
            sums = sums.with_look(e_c, e_s, x_c, x_s)
            if sums.interval is not None:
                low, high = sums.interval
                is_out |= not low <= 1.0 <= high
        missed += is_out
    assert missed / runs <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / runs)


def test_nothing_is_ever_harm_and_a_bound_only_waits():
    plain, bound = SumRatioTest(), SumRatioTest(1.5)
    assert plain.logs.safe == math.inf  # also without any look
    assert bound.logs.safe == -math.inf
    for _ in range(FEWEST):
        look = Counts((10, 9000), (90, 9000))
        plain, bound = plain.update(look), bound.update(look)
        assert plain.logs.harm == bound.logs.harm == -math.inf
    assert bound.logs.safe == -math.inf
    assert bound.read(0.0, 0.01, 0.05).ratio == pytest.approx(9.0)
    for _ in range(20 * FEWEST):
        bound = bound.update(Counts((10, 1000), (90, 9000)))
    assert bound.logs.safe == math.inf
    assert bound.learn(Counts((0, 0), (9, 900))) == bound.watch(Counts((9, 9), (9, 9))) == bound
