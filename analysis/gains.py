"""Bets of many rollouts as in-place passes over arrays; the first axis is the bet's point."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from analysis.counting.counts import EXACT, EvidenceError
from analysis.rates import excess_bound, ratio_test

Array = NDArray[np.float64]

_NIL = -700.0  # floor of relative log-capital; exp of it is practically 0


def _align_points(values: ArrayLike) -> Array:
    """Add two axes to one value per point, to broadcast against (rollouts, metrics)."""
    return np.asarray(values, dtype=np.float64)[:, None, None]


_LOG, _LIFT = _align_points(np.log(ratio_test.POINTS)), _align_points(ratio_test.POINTS - 1)
_LEVEL, _LOSS = _align_points(excess_bound.LEVELS), _align_points(np.log1p(-excess_bound.LEVELS))

START, EVEN = _align_points(np.log(ratio_test.WEIGHTS)), _align_points(np.log(excess_bound.WEIGHTS))
"""Capital before any bet, prior included: of the ratio test, and of the excess bound without a
past."""


def check(*counts: ArrayLike) -> None:
    """Raise EvidenceError unless these arrays, of any shape (...), are counts."""
    for array in map(np.asarray, counts):
        if array.size and not (
            array.min() >= 0 and array.max() <= EXACT and (array == np.rint(array)).all()
        ):
            raise EvidenceError("a count is negative, no whole number, or not finite")


def harm_gain(
    odds: Array, x_c: Array, x_s: Array, allowed: Array, *, out: Array, spare: Array
) -> None:
    """Compute the ratio test's gain with one logarithm per point: (n, M) -> (6, n, M).

    It is `ratio_test.increment` rearranged for speed. With u = ratio e_c / e_s (`odds`), allowed =
    absolute e_c and v = 1 + (k-1) u / (1+u), it writes x_c log k - (x_c + x_s) log v -
    allowed (k-1) / ((1+u) v) into `out` for each point k; `spare` is scratch of the same size. The
    rounding error is at most 1e-15 per bad unit, as in `safe_gain`.
    """
    lean = np.multiply(_LIFT, odds / (1 + odds), out=spare)
    lean += 1
    np.multiply(_LIFT, allowed / (1 + odds), out=out)
    out /= lean
    np.log(lean, out=lean)
    lean *= x_c + x_s
    out += lean
    np.subtract(np.multiply(_LOG, x_c, out=spare), out, out=out)


def safe_gain(
    odds: Array, x_c: Array, x_s: Array, allowed: Array, *, out: Array, spare: Array
) -> None:
    """Compute the excess bound's gain, margin included: (n, M) -> (12, n, M).

    It is the first kind of bets of `excess_bound.gain`, plus the margin's term of
    `excess_bound.log_safe`: it writes
    x_c log(1-l) + x_s log(1 + l u) + l allowed into `out` for each level l; `spare` is scratch.
    """
    np.multiply(_LEVEL, odds, out=out)
    out += 1
    np.log(out, out=out)
    out *= x_s
    out += np.multiply(_LOSS, x_c, out=spare)
    out += np.multiply(_LEVEL, allowed, out=spare)


def log_sum(logs: Array) -> Array:
    """Compute the log of the sum of exp over the first axis, (P, n, M) -> (n, M).

    It overwrites its argument. It is `log_arrays.log_mean` of logs that include their weights.
    """
    top = logs.max(axis=0)
    logs -= top
    np.maximum(logs, _NIL, out=logs)  # exp of smaller values takes ten times as long
    np.exp(logs, out=logs)
    total: Array = np.log(logs.sum(axis=0))
    total += top
    return total
