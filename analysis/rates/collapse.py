"""The collapse watch: a canary that breaks down late, of whose errors nothing is known.

How it works: the ratio test at a margin as wide as a collapse starts anew at every look
(`late_starts`), so that good looks cost it nothing. A plan whose past is known has late starts at
its own margin. Without a past, errors in clusters would carry those over the bar, but none that is
measured makes three of ten requests fail (docs/decisions/0055).
"""

from __future__ import annotations

import math

import numpy as np

from analysis.rates import late_starts, ratio_test
from analysis.rates.late_starts import LateStarts

MARGIN = 0.3
"""Least absolute margin of the watch: three in ten more bad units are a collapse, not a cluster."""

SHARE = 0.01
"""Fraction of the capital of harm that waits for a collapse."""


def add(
    starts: LateStarts, counts: tuple[int, int, int, int], ratio: float, absolute: float
) -> LateStarts:
    """Add one look to the watch, if both arms have exposures.

    Args:
        starts: the watch before the look.
        counts: e_c, e_s, x_c and x_s, as `ratio_test.increment` takes them.
        ratio: the plan's margin, >= 1.
        absolute: the plan's margin; where it is wider than `MARGIN` it counts.
    """
    e_c, e_s, x_c, x_s = counts
    if not e_c or not e_s:
        return starts
    margin = max(MARGIN, absolute)
    gained = ratio_test.gain(e_c, e_s, x_c, x_s, ratio=ratio, absolute=margin)
    return late_starts.add(starts, gained, 0.0, is_limited=False)


def log_harm(harm: float, starts: LateStarts) -> float:
    """Compute the log of (1 - SHARE) exp(harm) + SHARE exp(the watch), an e-process.

    Derived here: what the plan's margin allows, the wider one allows too, so that the watch is a
    test supermartingale on the plan's null (`ratio_test.increment`, `late_starts.begin`), and so is
    a mean with weights that are fixed before the first look (`log_arrays.log_mean`).
    """
    logs = np.logaddexp(ratio_test.log_harm(starts.logs), starts.waiting)
    return float(np.logaddexp(harm + math.log1p(-SHARE), float(logs) + math.log(SHARE)))
