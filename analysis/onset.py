"""Late starts: R for harm that begins in mid-rollout, when what it lost until then is sunk."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from analysis.sequential import POINTS, WEIGHTS, Array, column, log_mean

LATE = 0.02
"""Part of the capital that waits for harm that begins later: it costs .4 % more requests of those
that harm from the first look on needs, and halves the looks that harm from look 120 on needs."""

HAZARD = 1 / 200
"""Part of the waiting capital that starts at each look: half of it within 140 looks."""

START: Array = np.full(POINTS.size, np.log1p(-LATE))
"""Log-capital per point before any look."""


def waiting(looks: ArrayLike) -> Array:
    """Log of the part that has not started after so many counted looks: (...) -> (...)."""
    return np.asarray(np.log(LATE) + np.asarray(looks) * np.log1p(-HAZARD))


def look(logs: ArrayLike, looks: ArrayLike, gain: ArrayLike) -> Array:
    """Log-capital per point after one more look: (..., 6), (...), (..., 6) -> (..., 6).

    What starts at this look, waiting(looks) HAZARD at each point, bets with what is there already:
    the sum over starts k of weight_k exp(sum of gains from k on) needs one number per point. A
    mean of test supermartingales, each 1 until its start, with weights fixed before the rollout, is
    one itself: Shafer, Shen, Vereshchagin & Vovk, Statistical Science 26 (2011), 84-101, section 2;
    the mixture over change points is that of Shiryaev (1963).

    Args:
        logs: log-capital per point before the look, START before the first.
        looks: counted looks before this one, those with exposures on both arms.
        gain: `sequential.increment` of this look.
    """
    begun = column(waiting(looks) + np.log(HAZARD))
    return np.asarray(np.logaddexp(logs, begun) + gain)


def log_harm(logs: ArrayLike, looks: ArrayLike) -> Array:
    """Log of the e-process after so many counted looks: (..., 6), (...) -> (...).

    It starts at 0; roll back when it reaches log(1/alpha).
    """
    return np.asarray(np.logaddexp(log_mean(logs, WEIGHTS), waiting(looks)))


def path(gains: ArrayLike, counted: ArrayLike) -> Array:
    """`log_harm` after each look: gains (..., looks, 6), counted (..., looks) -> (..., looks).

    The same in one pass: with L the running sum of the gains, a point's capital is exp(L) times
    its start plus the sum over starts k of weight_k exp(-L before k).

    Args:
        gains: `sequential.increment` of each look.
        counted: whether both arms had exposures in it.
    """
    summed, there = np.cumsum(gains, axis=-2), np.asarray(counted, dtype=bool)
    before = np.concatenate([np.zeros_like(summed[..., :1, :]), summed[..., :-1, :]], axis=-2)
    looks = there.cumsum(axis=-1)
    begun = np.where(there, waiting(looks - 1) + np.log(HAZARD), -np.inf)
    parts = np.concatenate(
        [np.broadcast_to(START, before[..., :1, :].shape), column(begun) - before], axis=-2
    )
    started = np.logaddexp.accumulate(parts, axis=-2)[..., 1:, :]
    return log_harm(summed + started, looks)
