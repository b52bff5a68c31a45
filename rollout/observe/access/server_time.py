"""What time it is for a server, whatever this machine's clock shows.

Samples bear their server's times, and a query names a time of that server. So a clock that is set,
or wrong from the start, must not decide which samples are read, nor how old they are. Each answer
says in its `Date` when it was sent.
"""

from __future__ import annotations

from dataclasses import dataclass

TOLERATED = 5.0
"""Seconds by which two clocks may differ; less than that changes nothing that is decided."""


@dataclass
class ServerTime:
    """How far this machine's clock is ahead of one server's, by the newest answer that says so.

    `skew` is in seconds, and 0 where it is tolerable. `is_known` once a server has said it.
    """

    skew: float = 0.0
    is_known: bool = False

    def read(self, now: float) -> float:
        """Return the server's time at our unix time."""
        return now - self.skew

    def note(self, date: float | None, now: float) -> bool:
        """Take an answer's date, received at our unix time; return whether the skew is another.

        None, where a server tells no time, changes nothing.
        """
        if date is None:
            return False
        self.is_known = True
        skew = now - date
        if abs(skew - self.skew) <= TOLERATED:
            return False
        self.skew = 0.0 if abs(skew) <= TOLERATED else float(round(skew))
        return True
