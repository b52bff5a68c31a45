"""Which end of a histogram is the bad one."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from analysis.log_arrays import Array

Worse = Literal["high", "low"]


def oriented(counts: ArrayLike, worse: Worse) -> Array:
    """Order bucket counts by badness, best bucket first: (..., K) -> (..., K)."""
    values = np.asarray(counts, dtype=np.float64)
    return values if worse == "high" else values[..., ::-1]
