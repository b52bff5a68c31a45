"""Share bets: bets on the canary's share of a block's bad units, valid for any clusters."""

from __future__ import annotations

from typing import NamedTuple

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


class Allowance(NamedTuple):
    """What an absolute margin adds in a block, each (...): zeros without one.

    `units` is a, the sum of absolute e_c (1 - q) over its looks, `due` the expected_x_c of a block
    at the margin, both known beforehand, and `share` is q.
    """

    units: Array
    due: Array
    share: Array


def log_payoff(
    noise: Noise, n: Array, x_c: Array, expected_x_c: Array, allowance: Allowance | None = None
) -> Array:
    """Compute log(1 + w (x_c - X)) for each bet size, (...) -> (..., 8); zero for an empty block.

    w = fraction / ((1 - X/n) cluster), and w X <= MOST. The only assumption is
    E[x_c | past, n] <= X: each factor is then positive with an expectation of at most 1. With an
    absolute margin see `_log_allowed`.

    Source: Waudby-Smith & Ramdas, JRSS-B 86 (2024), 1-27, section 4: the capital of bets on a mean.

    Args:
        noise: the dispersion, which sizes the bets.
        n: bad units of both arms in the block.
        x_c: the canary's bad units in the block.
        expected_x_c: X, the number of them that the canary may expect.
        allowance: what an absolute margin adds to them.
    """
    if allowance is not None and np.any(allowance.units > 0):
        plain = log_payoff(noise, n, x_c, expected_x_c)
        allowed = _log_allowed(noise, x_c, expected_x_c, allowance)
        return np.where(column(allowance.units > 0), allowed, plain)
    placed = (n > 0) & (expected_x_c > 0)
    expected = np.where(placed, expected_x_c, 1.0)
    against = np.maximum(1 - expected / np.maximum(n, 1.0), _LEAST)
    # As in `tempering.inflation`, n units are at most one cluster.
    clusters = np.maximum(1.0, np.minimum(n, noise.cluster))
    stake = np.minimum(MOST, FRACTIONS * column(expected / (against * clusters)))
    return np.where(column(placed), np.log1p(stake * column(x_c / expected - 1)), 0.0)


def _log_allowed(noise: Noise, x_c: Array, expected_x_c: Array, allowance: Allowance) -> Array:
    """Compute log(1 + w (x_c - X)) - log(1 + W a) for each bet size: (...) -> (..., 8).

    W = min(fraction / ((1 - q) cluster), MOST / due) is known before the block, and
    w = min(W, MOST / X). Of n bad units the canary may have X = n q, and on top what its absolute
    margin allows, whenever that comes: given n that is no bound of x_c, since n is large when much
    of it came. So the bet is on X alone, and pays for the margin in every block, also without bad
    units.

    Derived here: let u of x_c be what the margin adds, of mean absolute e_c at most. Given u and
    n, E[x_c - u] <= (n - u) q, so E[x_c - X] <= u (1 - q). As w depends on n alone, the mean of the
    first factor is at most 1 + E[w u] (1 - q) <= 1 + W a. Only the placing of stable-like units is
    assumed, no clusters, as without a margin.
    """
    units, due, share = allowance
    against = np.maximum(1 - share, _LEAST)
    most = np.minimum(
        FRACTIONS / column(against * noise.cluster), MOST / column(np.maximum(due, _LEAST))
    )
    stake = np.minimum(most, MOST / column(np.maximum(expected_x_c, _LEAST)))
    return np.log1p(stake * column(x_c - expected_x_c)) - np.log1p(most * column(units))


def bias(noise: Noise, q: ArrayLike) -> Array:
    """Compute the relative rise of the canary's expected share q from unequal pod numbers: (...).

    It is brief (1 - q) ((1 - q) / k_s - q / k_c), at least 0. Derived here: with the arms' mean
    rates a and b, of mean 1 and variances brief / k, the share is q a / (q a + (1 - q) b). The
    formula is the second-order terms of its expectation, divided by q.
    """
    share = np.asarray(q)[()]
    skew = (1 - share) / noise.pods_stable - share / noise.pods_canary
    return floats(np.maximum(0.0, noise.brief * (1 - share) * skew))
