"""Bets on harm that start late, so that earlier good looks do not reduce their capital.

How it works: with a holdback a share of the capital starts once (`log_harm`). Where the past is
known, the ratio test starts at every later look (`begin`): a fixed fraction of the waiting capital
starts to bet at each. From then on all starts gain the same, so that their sum is one array. A few
looks in which errors cluster carry a late start over the bar, so it is for pasts that show no
clusters (`rate`), or tempered (`robust_test`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analysis.log_arrays import Column
from analysis.rates import ratio_test

Array = NDArray[np.float64]

LATE_SHARE = 0.1
"""Fraction of the capital of harm that starts late; the rest bets from the first look on."""

HAZARD = 1 / 200
"""Fraction of the waiting capital that starts at each look: half of it within 140 looks."""

NONE = -1e9
"""Stands for log 0, no start so far, but finite."""

MOST = 0.7
"""Log-capital that a late start gains per look at most, where the past tells too little."""

LOG_REMAINING = float(np.log1p(-HAZARD))
"""What a look adds to the log of the waiting capital."""

_LOG_HAZARD = float(np.log(HAZARD))


@dataclass(frozen=True)
class LateStarts:
    """The ratio test's later starts: logs per point, the log of what waits, and the information.

    The information, n q (1 - q) summed over looks, is `robust_test.RobustState.information`.
    """

    logs: tuple[float, ...] = (NONE,) * ratio_test.POINTS.size
    waiting: float = 0.0
    information: float = 0.0


def add(starts: LateStarts, gain: Array, information: float, *, is_limited: bool) -> LateStarts:
    """Add a look's gain to all starts, the one that begins with it included: gain is (P,).

    Where `is_limited`, a start gains `MOST` at most. A lower gain of a test supermartingale leaves
    it one.
    """
    within = np.minimum(gain, MOST) if is_limited else gain
    return LateStarts(
        tuple((begin(np.array(starts.logs), starts.waiting) + within).tolist()),
        starts.waiting + LOG_REMAINING,
        starts.information + information,
    )


def begin(late: Array, waiting: Column) -> Array:
    """Add a look's start to the log of all earlier ones: (..., P), its own gain not included.

    The start after k looks has the weight HAZARD (1 - HAZARD)^k, its logarithm `waiting` plus that
    of HAZARD. Derived here: a start is 1 until it begins and a test supermartingale from then on,
    and so is the mean of all.
    """
    return np.logaddexp(late, waiting + _LOG_HAZARD)


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
