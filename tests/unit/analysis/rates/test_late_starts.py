"""Bets that wait: a mean of two, and nothing of harm is known when they begin."""

from __future__ import annotations

import math

import numpy as np
import pytest

from analysis.counting.counts import Counts
from analysis.histograms.alternatives import HistogramTolerance
from analysis.rates import late_starts
from analysis.rates.rate import RateMargin
from tests.support.counts import start

RATE = RateMargin(ratio=1.0, absolute=0.01)
SHAPE = HistogramTolerance(tolerance=0.1, relative=True, worse="high")
EDGES = (10.0, 12.0, 15.0, 20.0, math.inf)


def test_before_any_bet_it_is_one_and_never_more_than_the_larger():
    assert late_starts.log_harm(0.0, 0.0) == pytest.approx(0)
    assert late_starts.log_harm(-1e9, 0.0) == pytest.approx(math.log(late_starts.LATE_SHARE))
    assert late_starts.log_harm(5.0, -1e9) == pytest.approx(
        5 + math.log(1 - late_starts.LATE_SHARE)
    )
    assert -2 < late_starts.log_harm(-2.0, 3.0) < 3


@pytest.mark.parametrize(
    ("rule", "evidence"),
    [
        (RATE, Counts((100, 9), (100, 1))),
        (SHAPE, Counts((9, 9, 9, 30, 9), (40, 20, 9, 2, 1), EDGES)),
    ],
)
def test_without_harm_bets_a_test_forgets_the_harm_and_nothing_else(rule, evidence):
    test = start(rule)
    for _ in range(5):
        test = test.learn(evidence)
    for _ in range(5):
        test = test.update(evidence)
    assert test.logs.harm != 0
    fresh = test.without_harm_bets()
    assert fresh.logs.harm == 0
    assert fresh.logs.safe == test.logs.safe
    updated = fresh.update(evidence)
    assert np.isfinite(updated.logs.harm)
    assert updated.logs.harm != 0
