"""Tells whether a replica can use its journal: one that cannot must not lead.

How it works: the journal is probed, unless a leader's tick has just succeeded. A probe cannot find
every problem: that a write fails, for example because a disk is full, shows only when a leader's
tick fails. A leader whose ticks fail for the `patience` gives up the Lease and rests, then
may try again, because only a real write can tell whether the journal has recovered. Rests grow
with each failed attempt.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from rollout.backoff import backoff
from rollout.errors import JournalError

_PROBES = 3  # probes within one patience, while no tick succeeds
_LONGEST_REST = 4  # in units of the patience, between two attempts to lead


@dataclass
class JournalHealth:
    """Whether the journal answers and takes entries.

    `ask` probes the journal on a connection of its own and raises JournalError. A tick that
    succeeds counts as an answer, so a healthy leader sends no probe. A slow tick and a hanging
    journal look alike from outside; the probe tells them apart. `timer` is a monotonic clock,
    `patience` is how long a missing answer or a failing write is tolerated, both in seconds.
    """

    ask: Callable[[], object]
    timer: Callable[[], float]
    patience: float
    _answered_at: float = field(init=False)
    _failing_since: float | None = None  # the first failed tick of this attempt to lead
    _attempts: int = 0  # attempts to lead since a tick last succeeded

    def __post_init__(self) -> None:
        self._answered_at = self.timer()

    def tick_succeeded(self) -> None:
        """Note that a leader's tick has just succeeded."""
        self._answered_at, self._failing_since, self._attempts = self.timer(), None, 0

    def failed(self) -> None:
        """Note that a leader's tick failed because of the journal."""
        # The first failure, or the first one after the last rest: a new attempt begins.
        if self._failing_since is None or self._failing_for >= self.patience + self._rest:
            self._failing_since = self.timer()
            self._attempts += 1

    def probe(self) -> None:
        """Probe the journal unless it answered lately. Raises JournalError, also during a rest."""
        if self._silence >= self.patience / _PROBES:
            self.ask()
            self._answered_at = self.timer()
        if self._is_resting:
            raise JournalError(
                f"the journal took no entry for {self.patience:g}s: "
                f"this replica leaves the Lease to others for {self._rest:g}s"
            )

    def is_healthy(self) -> bool:
        """Tell whether this replica may lead: the journal answered in time and no rest is due.

        It never waits, not even while a probe hangs in another thread.
        """
        return self._silence < self.patience and not self._is_resting

    def usable(self) -> bool:
        """Tell whether the journal answers and, as far as we know, takes entries.

        It is stricter than `holds`: after a rest the replica may lead again, but the journal counts
        as unusable until a tick succeeds.
        """
        is_first_attempt = self._attempts == 1 and self._failing_for < self.patience
        takes_entries = self._failing_since is None or is_first_attempt
        return self._silence < self.patience and takes_entries

    @property
    def _silence(self) -> float:
        return self.timer() - self._answered_at

    @property
    def _failing_for(self) -> float:
        """Seconds since the first failed tick of this attempt; 0 if none failed."""
        return 0.0 if self._failing_since is None else self.timer() - self._failing_since

    @property
    def _rest(self) -> float:
        return backoff(self._attempts, self.patience, _LONGEST_REST * self.patience)

    @property
    def _is_resting(self) -> bool:
        return self.patience <= self._failing_for < self.patience + self._rest
