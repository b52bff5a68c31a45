"""I17: a rollout is looked at in time, however many of the others' servers hang."""

from __future__ import annotations

from collections.abc import Sequence

from rollout.decide.record.facts import Observed
from rollout.ports import Entry
from rollout.stories.invariants.base import Chronicle, Invariant, RolloutTrace
from rollout.stories.setting import SCRAPE, SERVICE
from rollout.stories.world.store import SimulatedDisk

FIRST = 20.0
"""Seconds by which servers that begin to hang delay others, however many they are."""

NEW = 30.0
"""Seconds after which it is known who hangs: some ticks, and turns of those that are new."""

TURN = 10.0
"""Seconds by which all of them together delay others from then on, in four looks."""

_LOOKS = 4
_ENDS = frozenset({"roll back", "promote", "undo", "end"})
_SLACK = 2.0  # seconds: ticks


class LooksGoOn(Invariant):
    """Of four looks in a row at most one waits for a server that hangs, of another rollout."""

    code = "I17"
    text = "what hangs of other rollouts is waited for in turns, and delays one look of some"

    def __init__(self, chronicle: Chronicle) -> None:
        super().__init__(chronicle)
        self._looks: list[float] = []

    def on_entries(self, disk: SimulatedDisk, entries: Sequence[Entry]) -> None:
        super().on_entries(disk, entries)
        since, now = self.world.hanging.since, self.world.now
        if since is None or now < since + NEW:
            return
        for entry in entries:
            trace = self.chronicle.trace(disk, entry.fact.rollout)
            is_own = trace is not None and trace.service == SERVICE and self._goes_on(trace)
            if isinstance(entry.fact, Observed) and is_own:
                self._looks.append(now)
                self._check()

    def _goes_on(self, trace: RolloutTrace) -> bool:
        """Return whether it is looked at every few seconds: ends are followed at leisure."""
        last = trace.last
        return not trace.has_ended and last is not None and last.action not in _ENDS

    def _check(self) -> None:
        newest = self._looks[-_LOOKS:]
        if len(newest) < _LOOKS or self.chronicle.is_delayed:
            return
        took, meant = newest[-1] - newest[0], (_LOOKS - 1) * SCRAPE
        if took > meant + TURN + _SLACK:
            self.break_(f"{_LOOKS} looks took {took:.0f} s beside servers that hang")
