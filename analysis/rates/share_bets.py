"""Share bets: what the canary's share of a block's bad units pays, however they cluster."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from analysis.dispersion.tempering import Noise, floats
from analysis.log_arrays import column

Array = NDArray[np.float64]

FRACTIONS: Array = np.array([0.05, 0.1, 0.2, 0.4, 0.7, 1.0, 2.0, 4.0])
"""Sizes of the share bets, as parts of the one that an information of X / cluster would place."""

MOST = 0.95
"""Largest part of its capital that a share bet stakes."""

RELATED = 1.5
"""What share bets are divided by where pods stay good or bad for looks: blocks of half that time
are still related. Longer blocks without it find harm a fifth later and are wrong more often."""

_LEAST = 1e-3


def paid(found: Noise, n: Array, x_c: Array, fair: Array) -> Array:
    """Log of 1 + w (x_c - X) for each size of bet, (...) -> (..., 8); zero for an empty block.

    w = fraction / ((1 - X/n) cluster), and w X <= MOST. Needs only E[x_c | past, n] <= X: each
    factor is then positive with an expectation of at most 1.

    Source: Waudby-Smith & Ramdas, JRSS-B 86 (2024), 1-27, section 4: the capital of bets on a mean.

    Args:
        found: the dispersion, which sizes the bets.
        n: bad units of both arms in the block.
        x_c: the canary's.
        fair: X, what the canary may expect of them.
    """
    placed = (n > 0) & (fair > 0)
    expected = np.where(placed, fair, 1.0)
    against = np.maximum(1 - expected / np.maximum(n, 1.0), _LEAST)
    clusters = np.maximum(1.0, np.minimum(n, found.cluster))
    stake = np.minimum(MOST, FRACTIONS * column(expected / (against * clusters)))
    return np.where(column(placed), np.log1p(stake * column(x_c / expected - 1)), 0.0)


def bias(found: Noise, q: ArrayLike) -> Array:
    """How much unequal numbers of pods raise the canary's expected share q, relatively: (...).

    brief (1 - q) ((1 - q) / k_s - q / k_c), at least 0. Derived here: with the arms' mean rates a
    and b, of mean 1 and variances brief / k, the share is q a / (q a + (1 - q) b); these are the
    terms of second order of its expectation, over q.
    """
    share = np.asarray(q)[()]
    skew = (1 - share) / found.pods_stable - share / found.pods_canary
    return floats(np.maximum(0.0, found.brief * (1 - share) * skew))
