"""Back-off: how long to wait after failures, so that what ails is not asked ever faster."""

from __future__ import annotations


def backoff(failures: int, least: float, most: float) -> float:
    """Seconds until the next attempt: `least` after one failure, doubled by each further one.

    Nothing without a failure; never more than `most`.
    """
    return min(least * 2.0 ** min(failures - 1, 60), most) if failures > 0 else 0.0
