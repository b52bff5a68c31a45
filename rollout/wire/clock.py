"""The machine's two clocks: the wall clock and a monotonic one."""

from __future__ import annotations

import time


class SystemClock:
    """Implements the Clock port with the machine's clocks."""

    def now(self) -> float:
        return time.time()  # noqa: TID251 - this is the clock port

    def monotonic(self) -> float:
        """Return monotonic seconds that stand still while the machine sleeps."""
        return time.monotonic()  # noqa: TID251 - this is the clock port

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)


def timer() -> float:
    """Return monotonic seconds that also count while the machine is suspended.

    A Lease runs out during a suspension, too, so the leader must notice.
    """
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))
