"""A sequential test of sample ratio mismatch: observed share of traffic against the weight."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from analysis.log_arrays import Column, column, log_sum

Array = NDArray[np.float64]

ALPHA = 0.001
"""Chance that the test ever rejects a share that is right."""

TOLERANCE = 0.1
"""Log-odds by which sticky clients may move a share: 5 % may be observed as 4.6-5.5 %."""

FULL = 0.99
"""The canary's least share after a switch of all traffic; requests in flight end at stable."""

STICKY = math.log(2)
"""Log-odds by which session affinity may move a share: 5 % may be observed as 2.6-9.5 %."""

CLUSTER = 10.0
"""Requests that count as one under session affinity, because one user sends them."""

_STEPS = np.array([0.1, 0.25, 0.5, 1.0, 2.0, 4.0])
SHIFTS: Array = np.concatenate([-_STEPS[::-1], _STEPS])
"""Alternatives, in log-odds beyond the tolerance."""

WEIGHTS: Array = np.full(SHIFTS.size, 1 / SHIFTS.size)

LATE_SHARE = 0.01
"""Part of the capital that starts to bet later than at the first look."""

_LOG_LATE = math.log(LATE_SHARE)
_SIGNS, _MORE, _LOG_WEIGHTS = np.sign(SHIFTS), SHIFTS > 0, np.log(WEIGHTS)


def increment(
    e_c: ArrayLike, e_s: ArrayLike, share: ArrayLike, tolerance: float = TOLERANCE
) -> Array:
    """Compute one look's log-capital per shift, given traffic and weight: (...) -> (..., 12).

    It is the likelihood ratio of log-odds d beyond the tolerance t to t itself (same signs):
    e_c d - n log[(1 - s + s e^(t+d)) / (1 - s + s e^t)], a test supermartingale for every share
    within the tolerance. At a share of 1 only too little traffic, below `FULL`, is a mismatch.

    Derived here: given the look's requests the canary's are binomial; for a share at log-odds u
    nearer to s than t the expectation of the ratio is [(1 - q + q e^d) / (1 - q' + q' e^d)]^n with
    q <= q', at most 1. Related: Lindon & Malek, NeurIPS 2022 (arXiv 2011.03567v2).

    Args:
        e_c: the canary's exposures in this look.
        e_s: stable's exposures.
        share: the canary's weight as a share, 0 to 1; it may change from look to look.
        tolerance: log-odds within which a share still agrees.
    """
    full = column(share) >= 1
    gain = _gain(column(e_c), column(e_s), np.where(full, FULL, column(share)), tolerance)
    return np.where(full & _MORE, 0.0, gain)  # more than all traffic is impossible, so no bet on it


def _gain(e_c: Column, e_s: Column, share: Column, tolerance: float) -> Array:
    """Compute `increment` of a share below 1: each a number or (..., 1) -> (..., 12)."""
    edge = _SIGNS * tolerance
    far = 1.0 + share * np.expm1(edge + SHIFTS)
    near = 1.0 + share * np.expm1(edge)
    return e_c * SHIFTS - (e_c + e_s) * np.log(far / near)


def log_mismatch(logs: ArrayLike) -> Array:
    """Compute the log of the e-process: (..., 12 or 13) -> (...); at log(1/.001) it rejects.

    It is the `log_arrays.log_mean` of the sums of `increment`, or with the waiting capital as a
    13th the log of the sum of all capital: see `start`.
    """
    capital = np.asarray(logs, dtype=np.float64)
    return log_sum(capital + _LOG_WEIGHTS if capital.shape[-1] == SHIFTS.size else capital)


def start(*, is_late: bool = True) -> tuple[float, ...]:
    """Return the capital before any traffic.

    `is_late`: `LATE_SHARE` of it starts to bet later, a part at each look, so that a share that
    becomes wrong late, or wrong in another way, is rejected by what comes from then on. The capital
    is then that of each shift and what waits: 1 / (k + 1) of that share after k looks. Without it,
    as in older journals, all starts at once: log 1 for each shift.

    Derived here: a start is 1 until it begins, which no count decides, and a test supermartingale
    from then on; so is the sum of all by weights that add up to 1: those of late starts are
    LATE_SHARE / ((k + 1)(k + 2)) for k = 0, 1, ... From then on all starts gain the same, so that
    their sum is one number for each shift.
    """
    if not is_late:
        return (0.0,) * SHIFTS.size
    return (*(_LOG_WEIGHTS + math.log1p(-LATE_SHARE)).tolist(), _LOG_LATE)


def start_again(capital: tuple[float, ...]) -> tuple[float, ...]:
    """Return the capital before any traffic, of a test that bets as this one does: see `start`."""
    return start(is_late=len(capital) > SHIFTS.size)


def update(
    capital: tuple[float, ...], e_c: int, e_s: int, share: float, *, clustered: bool = False
) -> tuple[float, ...]:
    """Add one look's traffic to the capital by `increment`; no traffic changes nothing.

    `clustered`: requests come in clusters per user, or the share is known only roughly. The
    tolerance is then wider, and a request counts less.
    """
    if not e_c + e_s:
        return capital
    tolerance, requests = (STICKY, CLUSTER) if clustered else (TOLERANCE, 1.0)
    if share >= 1:  # only then does `increment` differ from the cheaper `_gain`
        gain = increment(e_c, e_s, share, tolerance)
    else:
        gain = _gain(e_c, e_s, share, tolerance)
    if len(capital) == SHIFTS.size:
        return tuple((capital + gain / requests).tolist())
    betting, waiting = np.array(capital[:-1]), capital[-1]
    started = waiting - _LOG_LATE  # log of 1 / (k + 1): of what waits this starts, over 1 + this
    rest = math.log1p(math.exp(started))
    betting = np.logaddexp(betting, waiting + started - rest + _LOG_WEIGHTS) + gain / requests
    return (*betting.tolist(), waiting - rest)


def mismatched(capital: tuple[float, ...], alpha: float = ALPHA) -> bool:
    """Whether the observed share contradicts the weights. It blocks promotion, never a rollback."""
    return bool(log_mismatch(capital) >= -np.log(alpha))
