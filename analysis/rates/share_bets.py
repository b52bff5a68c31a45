"""Share bets: bets on the canary's share of a block's bad units, valid for any clusters."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from analysis.dispersion.tempering import Noise, floats
from analysis.log_arrays import column

Array = NDArray[np.float64]

FRACTIONS: Array = np.array([0.05, 0.1, 0.2, 0.4, 0.7, 1.0, 2.0, 4.0])
"""Sizes of the share bets, relative to the bet for an information of X / cluster."""

MOST = 0.95
"""Largest fraction of its capital that a share bet stakes."""

RELATED = 1.5
"""Divisor of share bets where differences between pods last several looks.

A block is half as long as such differences, so consecutive blocks are still correlated. Longer
blocks without the divisor find harm a fifth later and are wrong more often.
"""

_LEAST = 1e-3


def log_payoff(noise: Noise, n: Array, x_c: Array, expected_x_c: Array) -> Array:
    """Compute log(1 + w (x_c - X)) for each bet size, (...) -> (..., 8); zero for an empty block.

    w = fraction / ((1 - X/n) cluster), and w X <= MOST. The only assumption is
    E[x_c | past, n] <= X: each factor is then positive with an expectation of at most 1.

    Source: Waudby-Smith & Ramdas, JRSS-B 86 (2024), 1-27, section 4: the capital of bets on a mean.

    Args:
        noise: the dispersion, which sizes the bets.
        n: bad units of both arms in the block.
        x_c: the canary's bad units in the block.
        expected_x_c: X, the number of them that the canary may expect.
    """
    placed = (n > 0) & (expected_x_c > 0)
    expected = np.where(placed, expected_x_c, 1.0)
    against = np.maximum(1 - expected / np.maximum(n, 1.0), _LEAST)
    # As in `tempering.inflation`, n units are at most one cluster.
    clusters = np.maximum(1.0, np.minimum(n, noise.cluster))
    stake = np.minimum(MOST, FRACTIONS * column(expected / (against * clusters)))
    return np.where(column(placed), np.log1p(stake * column(x_c / expected - 1)), 0.0)


def bias(noise: Noise, q: ArrayLike) -> Array:
    """Compute the relative rise of the canary's expected share q from unequal pod numbers: (...).

    It is brief (1 - q) ((1 - q) / k_s - q / k_c), at least 0. Derived here: with the arms' mean
    rates a and b, of mean 1 and variances brief / k, the share is q a / (q a + (1 - q) b). The
    formula is the second-order terms of its expectation, divided by q.
    """
    share = np.asarray(q)[()]
    skew = (1 - share) / noise.pods_stable - share / noise.pods_canary
    return floats(np.maximum(0.0, noise.brief * (1 - share) * skew))
