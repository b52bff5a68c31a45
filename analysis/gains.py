"""The bets of many rollouts as in-place passes over arrays whose first axis is the bet's point."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from analysis.counting.counts import EXACT, EvidenceError
from analysis.rates import excess_bound, ratio_test

Array = NDArray[np.float64]

_NIL = -700.0  # log of next to nothing


def _tall(values: ArrayLike) -> Array:
    """One value per point, ready to meet (rollouts, metrics)."""
    return np.asarray(values, dtype=np.float64)[:, None, None]


_LOG, _LIFT = _tall(np.log(ratio_test.POINTS)), _tall(ratio_test.POINTS - 1)
_LEVEL, _LOSS = _tall(excess_bound.LEVELS), _tall(np.log1p(-excess_bound.LEVELS))

START, EVEN = _tall(np.log(ratio_test.WEIGHTS)), _tall(np.log(excess_bound.WEIGHTS))
"""Capital before any bet, its prior included: R's, and D's without any past."""


def check(*counts: ArrayLike) -> None:
    """Whether these arrays are counts, of any shape (...). Raises EvidenceError if they are not."""
    for each in map(np.asarray, counts):
        if each.size and not (
            each.min() >= 0 and each.max() <= EXACT and (each == np.rint(each)).all()
        ):
            raise EvidenceError("a count is negative, no whole number, or not finite")


def harm_gain(
    odds: Array, x_c: Array, x_s: Array, allowed: Array, *, out: Array, spare: Array
) -> None:
    """R's gain, `ratio_test.increment` with one logarithm per point: (n, M) -> (6, n, M).

    With u = ratio e_c / e_s (`odds`), allowed = absolute e_c and v = 1 + (k-1) u / (1+u), into
    `out` x_c log k - (x_c + x_s) log v - allowed (k-1) / ((1+u) v) for each point k; `spare` is
    scratch of the same size. As in `safe_gain`, off by at most 1e-15 per bad unit.
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
    """D's gain, `excess_bound.below` and the margin's part of `log_safe`: (n, M) -> (12, n, M).

    Into `out`: x_c log(1-l) + x_s log(1 + l u) + l allowed for each level l; `spare` is scratch.
    """
    np.multiply(_LEVEL, odds, out=out)
    out += 1
    np.log(out, out=out)
    out *= x_s
    out += np.multiply(_LOSS, x_c, out=spare)
    out += np.multiply(_LEVEL, allowed, out=spare)


def log_sum(logs: Array) -> Array:
    """Log of the sum of exp over the first axis, (P, n, M) -> (n, M); uses up its argument.

    `log_arrays.log_mean` of logs that carry their weights.
    """
    top = logs.max(axis=0)
    logs -= top
    np.maximum(logs, _NIL, out=logs)  # less costs exp ten times as long
    np.exp(logs, out=logs)
    total: Array = np.log(logs.sum(axis=0))
    total += top
    return total
