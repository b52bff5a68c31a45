"""The time that each rollout has lived through in this process, beyond what its journal says.

Wall time is no measure of what somebody looked at: a clock is set, a machine sleeps, a process is
down. So a tick adds what its monotonic clock says since the last time, and of a longer gap only
what a few looks take. A restart and a new leader go on from the journal's last sum, and take the
time since then, within the same bound.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

from rollout.decide.state.rollout import RolloutState

QUIET = 10
"""Looks without an entry after which a rollout gets a small one, with its lived time."""


@dataclass
class LivedTime:
    """Adds up lived time by rollout. `timer` is a monotonic clock in seconds.

    With `has_gaps` a gap counts whole: a rehearsal leaves out looks of hours that it lives through.
    """

    timer: Callable[[], float]
    has_gaps: bool = False
    _last: dict[str, float] = field(default_factory=dict)
    _total: dict[str, float] = field(default_factory=dict)
    _quiet: dict[str, int] = field(default_factory=dict)
    _tick: tuple[float, float] = (math.nan, 0.0)

    def begin_tick(self, wall: float) -> None:
        """Note a tick's time. Its looks have it, however long an answer took since.

        A process that starts after them would else count that time once more.
        """
        self._tick = wall, self.timer()

    def read(
        self, rollout: str, state: RolloutState, wall: float, skew: float | None = None
    ) -> float:
        """Return the seconds that a rollout has lived through by now, and count from here on.

        Only at its first look does a process ask the wall clock, for the time since the newest
        entry: one that is restarted again and again would else never live. What the wall clock was
        set by since then is no time: an answer of the server tells it as `skew`.
        """
        begun, at_begin = self._tick
        now = at_begin if wall == begun else self.timer()
        last = self._last.get(rollout)
        was_set = 0.0 if skew is None else skew - state.skew
        gap = wall - was_set - state.noted_at if last is None else now - last
        total = max(state.lived, self._total.get(rollout, 0.0))
        total += max(gap, 0.0) if self.has_gaps else min(max(gap, 0.0), state.longest_gap)
        self._last[rollout] = now if last is None else max(last, now)
        self._total[rollout] = total
        return round(total, 3)

    def is_quiet(self, rollout: str) -> bool:
        """Return whether so many looks have left no entry that this one has to."""
        return self._quiet.get(rollout, 0) + 1 >= QUIET

    def note_look(self, rollout: str, *, is_recorded: bool) -> None:
        """Note a look, and whether it has left an entry."""
        self._quiet[rollout] = 0 if is_recorded else self._quiet.get(rollout, 0) + 1
