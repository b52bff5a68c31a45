"""The differences between pods that last: those that all of the past shows, but for a part."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from analysis.dispersion.dispersion import WINDOWS
from analysis.dispersion.moments import conditional_moments, lifelong_moments

Array = NDArray[np.float64]

_WINDOW = WINDOWS[-1]
_PART = 3  # a third of the past is left out
_PLACES = 5  # of that third; a spell of up to a sixth of the past is in one of them as a whole
_EXPLAINED = 0.5  # of the variance; sampling errors seldom take as much away


def find_lasting(e: Array, x: Array) -> float:
    """Return the variance of pods' relative rates that lasts: exposures, bad units (ticks, pods).

    Means over T ticks have the variance lasting + passing / T: all of the past and windows of 48
    ticks give both. What lasts shows in every part of the past, and one bad spell of one pod in one
    part alone. So the variance is estimated with each of five overlapping thirds left out too.
    Where one of them takes more than half of it away, the least is what lasts, and the rest is left
    to the windows. An incomplete window at the start is dropped there.

    Derived here: where differences last, all six estimate the same variance of the same pods, and
    vary by sampling errors alone. Measured in docs/decisions/0074.
    """
    keep = len(e) // _WINDOW * _WINDOW
    e_m, x_m = (v[-keep:].reshape(-1, _WINDOW, v.shape[1]).sum(axis=1) for v in (e, x))
    windows = len(e_m)
    left_out = -(-windows // _PART)
    begins = np.linspace(0, windows - left_out, _PLACES).round().astype(int)
    rest = [np.r_[0:begin, begin + left_out : windows] for begin in begins]
    lasting = _solve(e_m, x_m, len(e))
    least = min(_solve(e_m[some], x_m[some], len(some) * _WINDOW) for some in rest)
    return max(0.0, least if least < _EXPLAINED * lasting else lasting)


def _solve(e: Array, x: Array, ticks: int) -> float:
    """Solve for what lasts, from windows of so many ticks in all; may be negative."""
    whole, single = lifelong_moments(e, x, 1).spread, conditional_moments(e, x).spread
    return (ticks * whole - _WINDOW * single) / (ticks - _WINDOW)
