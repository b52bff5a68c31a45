"""Bets that wait: a mean of two, and nothing of harm is known when they begin."""

from __future__ import annotations

import math

import numpy as np
import pytest

from analysis.counting.counts import Counts
from analysis.verdict import guardrail, late_start

RATE = guardrail.RateMargin(ratio=1.0, absolute=0.01)
SHAPE = guardrail.HistogramTolerance(tolerance=0.1, relative=True, worse="high")
EDGES = (10.0, 12.0, 15.0, 20.0, math.inf)


def test_before_any_bet_it_is_one_and_never_more_than_the_larger():
    assert late_start.log_harm(0.0, 0.0) == pytest.approx(0)
    assert late_start.log_harm(-1e9, 0.0) == pytest.approx(math.log(late_start.LATE_SHARE))
    assert late_start.log_harm(5.0, -1e9) == pytest.approx(5 + math.log(1 - late_start.LATE_SHARE))
    assert -2 < late_start.log_harm(-2.0, 3.0) < 3


@pytest.mark.parametrize(
    ("rule", "evidence"),
    [
        (RATE, Counts((100, 9), (100, 1))),
        (SHAPE, Counts((9, 9, 9, 30, 9), (40, 20, 9, 2, 1), EDGES)),
    ],
)
def test_afresh_forgets_the_harm_and_nothing_else(rule, evidence):
    capital = guardrail.start(rule)
    for _ in range(5):
        capital = guardrail.learn(rule, capital, evidence)
    for _ in range(5):
        capital = guardrail.look(rule, capital, evidence)
    assert guardrail.log_harm(rule, capital) != 0
    anew = late_start.afresh(capital)
    assert guardrail.log_harm(rule, anew) == 0
    assert guardrail.log_safe(rule, anew) == guardrail.log_safe(rule, capital)
    once = guardrail.look(rule, anew, evidence)
    assert np.isfinite(guardrail.log_harm(rule, once))
    assert guardrail.log_harm(rule, once) != 0
