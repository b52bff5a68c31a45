"""Exponential back-off after failures, so that a failing service is not called too often."""

from __future__ import annotations


def backoff(failures: int, least: float, most: float) -> float:
    """Return the seconds until the next attempt.

    That is 0 without a failure, `least` after one, doubled by each further one, at most `most`.
    """
    # The exponent is limited, so that a very long outage cannot overflow a float.
    return min(least * 2.0 ** min(failures - 1, 60), most) if failures > 0 else 0.0
