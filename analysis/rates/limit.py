"""Limits what evidence may win in a time as short as stable's own longest trouble."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from analysis.rates import ratio_test

Array = NDArray[np.float64]

MOST = 1.6
"""Log-capital that a point wins at most while it rises for no longer than a trouble lasts."""


class Rise(NamedTuple):
    """Each point's rise under way, (..., P): its gain so far, unlimited, and its age in looks."""

    gain: Array
    looks: Array


def limit_one(
    gain: Array, rise: tuple[float, ...], looks: tuple[float, ...], longest: int
) -> tuple[Array, tuple[float, ...], tuple[float, ...]]:
    """Run `limit` for one test, whose rises are tuples (P,), empty before the first."""
    if not longest:
        return gain, rise, looks
    nothing = (0.0,) * gain.size
    before = Rise(np.array(rise or nothing), np.array(looks or nothing))
    within, after = limit(gain, before, np.array([float(longest)]))
    return within, tuple(after.gain.tolist()), tuple(after.looks.tolist())


SUSPICION = 200.0
"""Times the evidence of a rollback that a rise needs for a suspicion: one rise begins a look."""


def log_rise(gain: ArrayLike) -> float:
    """Compute the log of the evidence that the points' rises have won since they began: (P,).

    It is what a rollback would rest on if stable had no troubles. Derived here: where requests are
    independent a rise is a test supermartingale from its begin on, and at most one begins in a
    look. So in N looks a harmless canary's rises reach `SUSPICION` / alpha with a chance of
    N alpha / `SUSPICION` at most, and alpha where a rollout has 200 looks.
    """
    return float(ratio_test.log_harm(gain))


def limit(gain: Array, rise: Rise, longest: Array) -> tuple[Array, Rise]:
    """Return a look's gain of each point within the limit, (..., P), and the rise after it.

    A rise begins with the first gain after it has come to nothing, or after `longest` looks, and
    wins min(its gain, `MOST`) in all. So a trouble of one arm's pods that lasts at most as long as
    stable's longest multiplies a point's capital by e^1.6 at most, or twice that where two rises
    share it, and harm has to outlast it. A `longest` of 0 limits nothing.

    Derived here: where requests are independent it is exact, since min(exp(S), e^b) of a test
    supermartingale exp(S) is one too, and so is its continuation from any rise. Under a trouble it
    is a limit, not an error rate; related: Huber-robust e-processes, Saha & Ramdas, arXiv
    2408.14015.
    """
    is_over = (rise.gain <= 0) | (rise.looks >= longest)
    before = np.where(is_over, 0.0, rise.gain)
    after = Rise(before + gain, np.where(is_over, 0.0, rise.looks) + 1)
    within = np.minimum(after.gain, MOST) - np.minimum(before, MOST)
    return np.where(longest > 0, within, gain), after
