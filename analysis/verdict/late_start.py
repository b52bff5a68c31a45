"""Bets on harm that start late, so that earlier good looks do not reduce their capital."""

from __future__ import annotations

import math

import numpy as np

LATE_SHARE = 0.1
"""Fraction of the capital of harm that starts late; the rest bets from the first look on."""


def log_harm(first: float, later: float) -> float:
    """Compute the log of (1 - LATE_SHARE) exp(first) + LATE_SHARE exp(later), an e-process.

    Derived here: `later` is 0 until a time determined by the looks before it, and from then on the
    log of the e-process of the looks after it. So exp(later) is a test supermartingale, and so is a
    mean with weights that are fixed before the first look (`log_arrays.log_mean`).

    Args:
        first: log of the e-process of all looks.
        later: log of the e-process of the looks since that time; 0 before it.
    """
    return float(np.logaddexp(first + math.log1p(-LATE_SHARE), later + math.log(LATE_SHARE)))
