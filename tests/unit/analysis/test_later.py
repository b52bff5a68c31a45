"""Bets that wait: a mean of two, and nothing of harm is known when they begin."""

from __future__ import annotations

import math

import numpy as np
import pytest

from analysis import guard, later
from analysis.evidence import Evidence

RATE = guard.RateRule(ratio=1.0, absolute=0.01)
SHAPE = guard.ShapeRule(tolerance=0.1, relative=True, worse="high")
EDGES = (10.0, 12.0, 15.0, 20.0, math.inf)


def test_before_any_bet_it_is_one_and_never_more_than_the_larger():
    assert later.log_harm(0.0, 0.0) == pytest.approx(0)
    assert later.log_harm(-1e9, 0.0) == pytest.approx(math.log(later.PART))
    assert later.log_harm(5.0, -1e9) == pytest.approx(5 + math.log(1 - later.PART))
    assert -2 < later.log_harm(-2.0, 3.0) < 3


@pytest.mark.parametrize(
    ("rule", "evidence"),
    [
        (RATE, Evidence((100, 9), (100, 1))),
        (SHAPE, Evidence((9, 9, 9, 30, 9), (40, 20, 9, 2, 1), EDGES)),
    ],
)
def test_afresh_forgets_the_harm_and_nothing_else(rule, evidence):
    capital = guard.start(rule)
    for _ in range(5):
        capital = guard.learn(rule, capital, evidence)
    for _ in range(5):
        capital = guard.look(rule, capital, evidence)
    assert guard.log_harm(rule, capital) != 0
    anew = later.afresh(capital)
    assert guard.log_harm(rule, anew) == 0
    assert guard.log_safe(rule, anew) == guard.log_safe(rule, capital)
    once = guard.look(rule, anew, evidence)
    assert np.isfinite(guard.log_harm(rule, once))
    assert guard.log_harm(rule, once) != 0
