"""The machine's clocks: the one that tells the time, and the one that only goes on."""

from __future__ import annotations

import time


class SystemClock:
    """The machine's clock."""

    def now(self) -> float:
        return time.time()  # noqa: TID251 - this is the clock port

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)


def timer() -> float:
    """Seconds that never go back and count also while the machine sleeps."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))
