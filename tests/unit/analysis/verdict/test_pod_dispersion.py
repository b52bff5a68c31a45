"""What a guardrail learns from stable's past: its own metric's dispersion, for its own canary."""

import math

import numpy as np
import pytest

from analysis.counting.per_pod import PodCounts
from analysis.dispersion.estimate import ExposureHistory, estimate
from analysis.histograms.alternatives import HistogramTolerance
from analysis.rates.rate import RateMargin
from tests.support.counts import start

RATE = RateMargin(1.0, 0.01)
TICKS, PODS = 1440, 8
EDGES = (10.0, 20.0, 40.0, math.inf)


def past(counts, edges=()):
    names = tuple(f"pod-{i}" for i in range(counts.shape[1]))
    return PodCounts(names, tuple(map(float, range(counts.shape[0]))), counts, edges)


def rate(sd=0.0, ticks=TICKS):
    dice = np.random.default_rng(7)
    e = dice.poisson(100, (ticks, PODS))
    p = 0.05 * np.exp(sd * dice.standard_normal(PODS))
    return past(np.stack([e, dice.binomial(e, p)], axis=-1))


def buckets(sd=0.0, worse="high"):
    """Each pod has its own share beyond the second edge."""
    dice = np.random.default_rng(8)
    tail = 0.1 * np.exp(sd * dice.standard_normal(PODS))
    shares = np.stack([0.6 - tail / 2, 0.4 - tail / 2, tail * 0.8, tail * 0.2], axis=-1)
    counts = dice.multinomial(200, np.broadcast_to(shares, (TICKS, PODS, 4)))
    return past(counts if worse == "high" else counts[..., ::-1], EDGES)


def test_a_rate_s_dispersion_is_that_of_its_counts():
    counts = rate(0.3)
    history = ExposureHistory(counts.counts[..., 0], counts.counts[..., 1])
    assert start(RATE).estimate_dispersion(counts, 2) == estimate(history, 2)
    assert start(RATE).estimate_dispersion(counts, 2).lasting > 0.02


@pytest.mark.parametrize("worse", ["high", "low"])
def test_a_histogram_is_as_dispersed_as_its_worst_edge(worse):
    rule = HistogramTolerance(0.1, relative=worse == "high", worse=worse)
    even, uneven = (start(rule).estimate_dispersion(buckets(sd, worse), 2) for sd in (0.0, 0.5))
    assert even.lasting < 0.002
    assert uneven.lasting > 0.05
    assert uneven.pods_stable == PODS


def test_what_allows_no_test_says_so():
    assert "480 are needed" in start(RATE).estimate_dispersion(rate(ticks=100), 2).problem
    rule = HistogramTolerance(0.1, relative=True, worse="high")
    lonely = past(buckets().counts[:, :1], EDGES)
    assert "one pod, so nothing is known" in start(rule).estimate_dispersion(lonely, 2).problem


def test_a_past_without_any_unit_is_no_crash():
    empty = past(np.zeros((TICKS, PODS, 4), dtype=np.int64), EDGES)
    test = start(HistogramTolerance(0.1, relative=True, worse="high"))
    assert test.estimate_dispersion(empty, 2).ticks == TICKS
