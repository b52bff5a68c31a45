"""Bets of harm that wait: what spoke for the canary before they begin does not count in them."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from analysis.rates.rate import RateCapital
from analysis.verdict.guardrail import Capital

PART = 0.1
"""Part of the capital of harm that waits; the rest bets from the first look on."""


def afresh(capital: Capital) -> Capital:
    """The capital with no bet of harm made yet; what was learnt of stable is kept."""
    if isinstance(capital, RateCapital):
        return replace(capital, harm=RateCapital().harm)
    return replace(capital, harm=())


def log_harm(first: float, later: float) -> float:
    """Log of the e-process of both: (1 - PART) exp(first) + PART exp(later).

    Derived here: `later` is 0 until a time that the looks before it decide, and from then on the
    log of the e-process of the looks after it. So exp(later) is a test supermartingale, and a mean
    with weights that are fixed before the first look is one too (`sequential.log_mean`).

    Args:
        first: log of the e-process of all looks.
        later: log of the e-process of the looks since that time; 0 before it.
    """
    return float(np.logaddexp(first + math.log1p(-PART), later + math.log(PART)))
