"""Keeps up with a journal for many readers: states, headlines, and entries by their number.

Of a long journal only the headlines and the newest states stay in memory. An entry is read again
when a page shows it, and the evidence of a rollout that has ended when its page is opened.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from threading import Lock

from rollout.decide.record.facts import of_rollout
from rollout.decide.record.write_id import name_chain
from rollout.decide.state.rollout import RolloutState
from rollout.explain.log import Headline, headline
from rollout.plan.model.plan import Plan
from rollout.ports import Entry, Journal, SkippedObservation
from rollout.tick.fleet import Fleet, service_key


@dataclass
class _Noting:
    """A journal whose entries are noted by rollout as they are read for the first time."""

    journal: Journal
    places: dict[str, array[int]] = field(default_factory=dict)

    def scan(self) -> Iterator[Entry | SkippedObservation]:
        for entry in self.journal.scan():
            self._note(entry)
            yield entry

    def read(self, after: int = 0) -> Sequence[Entry]:
        entries = self.journal.read(after)
        for entry in entries:
            self._note(entry)
        return entries

    def _note(self, entry: Entry | SkippedObservation) -> None:
        if isinstance(entry, Entry) and not of_rollout(entry.fact):
            return  # a calibration, from before the rollout
        rollout = entry.rollout if isinstance(entry, SkippedObservation) else entry.fact.rollout
        self.places.setdefault(rollout, array("q")).append(entry.seq)

    def append(self, facts: object, after: int) -> Sequence[Entry]:
        raise NotImplementedError("a reader appends nothing")

    def read_at(self, places: Sequence[int]) -> Iterator[Entry]:
        return self.journal.read_at(places)


class JournalReader:
    """What pages are made of. Its methods may be called from several threads.

    `now` returns unix seconds. A refresh within `pause` seconds of the last one reads nothing, so
    that many readers cost about as much as one.
    """

    def __init__(self, journal: Journal, now: Callable[[], float], pause: float = 0.5) -> None:
        self.now = now
        self._journal, self._pause = _Noting(journal), pause
        self._fleet, self._lock, self._refreshed_at = Fleet(), Lock(), -pause
        self._chain: str | None = None
        self._headlines: list[Headline] = []
        self._of_rollout: dict[str, list[Headline]] = {}

    @property
    def head(self) -> int:
        """The number of the newest entry that was read."""
        return self._fleet.head

    @property
    def chain(self) -> str | None:
        """The name of the journal's chain; None before its first entry."""
        return self._chain

    def refresh(self) -> int:
        """Read what was appended, and return the newest number. Raises JournalError."""
        with self._lock:
            now = self.now()
            if 0 <= now - self._refreshed_at < self._pause:
                return self.head
            is_first = not self.head
            for entry in self._fleet.read(self._journal):
                line = headline(entry)
                self._headlines.append(line)
                self._of_rollout.setdefault(line.rollout, []).append(line)
            if self._chain is None and self.head:
                (first,) = self._journal.read_at([1])
                self._chain = name_chain(first.hash)
            if is_first:
                self._fleet.load_active_evidence(self._journal)
            self._refreshed_at = now
            return self.head

    def states(self) -> dict[str, RolloutState]:
        """Return every rollout's newest state by id; ended ones may lack their evidence."""
        with self._lock:
            return dict(self._fleet.states)

    def find_stable(self, plan: Plan) -> str | None:
        """Return the version that the journal recorded last as stable of a plan's service."""
        with self._lock:
            return self._fleet.stable(*service_key(plan))

    def state(self, rollout: str) -> RolloutState | None:
        """Return one rollout's newest state with its evidence; None for an unknown id."""
        with self._lock:
            if rollout not in self._fleet.states:
                return None
            return self._fleet.load_evidence(rollout, self._journal)

    def headlines(self, rollout: str = "") -> Sequence[Headline]:
        """Return headlines in order, of one rollout or all, without looks of ended ones."""
        with self._lock:  # the lists only grow, so nobody needs a copy
            return self._of_rollout.get(rollout, []) if rollout else self._headlines

    def entries(self, places: Sequence[int]) -> list[Entry]:
        """Return the entries with these numbers. Raises JournalError."""
        with self._lock:
            return [*self._journal.read_at(places)] if places else []

    def entries_of(self, rollout: str, until: int | None = None) -> list[Entry]:
        """Return one rollout's entries, up to and with number `until`. Raises JournalError."""
        return self.entries(self.places_of(rollout, until))

    def places_of(self, rollout: str, until: int | None = None) -> list[int]:
        """Return the numbers of one rollout's entries, up to and with number `until`."""
        with self._lock:
            places = self._journal.places.get(rollout, array("q"))
            return [seq for seq in places if until is None or seq <= until]
