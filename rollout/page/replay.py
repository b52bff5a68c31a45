"""Decides recorded looks again for the page: one reader at a time, and a bounded number at once.

To explain one decision of a rollout all looks before it are folded, the first time. States on the
way are kept, so that any other decision of it takes what a short rollout's does.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from operator import itemgetter
from threading import Lock
from typing import Any

from rollout.decide.fold import fold
from rollout.decide.record.facts import Decided, Observed
from rollout.decide.state.rollout import RolloutState
from rollout.decide.step import step
from rollout.errors import JournalBusyError
from rollout.page.reader import JournalReader
from rollout.ports import Entry
from rollout.review.look import differences

MOST = 5_000
"""Entries that are folded for one answer: seconds of work, whatever the journal's length."""

_AT_ONCE = 100  # entries in memory


_APART = 100  # looks between two states that are kept
_ROLLOUTS = 8  # whose states are kept


@dataclass(frozen=True)
class StateRoom:
    """The states of rollouts at looks of the past, of those that somebody looked at last."""

    reader: JournalReader
    apart: int = _APART
    _kept: dict[str, list[tuple[int, RolloutState]]] = field(default_factory=dict)
    _lock: Lock = field(default_factory=Lock)

    def find(self, rollout: str, number: int) -> tuple[RolloutState | None, list[Entry]]:
        """Return a state of a rollout, and the entries from there on, up to and with a number.

        It is the state right before a look, so a decision's own look is among the entries; None
        where these are all that there are. Raises JournalError.
        """
        with self._lock:
            states = self._kept.pop(rollout, [])
            self._kept[rollout] = states
            while len(self._kept) > _ROLLOUTS:
                del self._kept[next(iter(self._kept))]
            at, state = max(
                (entry for entry in states if entry[0] < number),
                default=(0, None),
                key=itemgetter(0),
            )
            places = [seq for seq in self.reader.places_of(rollout, number) if seq >= at]
            entries = self.reader.entries(places)
            folded, looks, start = state, 0, 0
            for position, entry in enumerate(entries):
                if isinstance(entry.fact, Observed):
                    looks += 1
                    if looks > self.apart and folded is not None:
                        states.append((entry.seq, folded))
                        state, start, looks = folded, position, 1
                if entry.seq < number:
                    folded = fold(folded, entry.fact, entry.seq)
        return state, entries[start:]


@dataclass(frozen=True)
class ReplayRoom:
    """Decides the newest rollouts' looks again."""

    reader: JournalReader
    most: int = MOST
    _lock: Lock = field(default_factory=Lock)

    def run(self) -> dict[str, Any]:
        """Return how many looks were decided again, of how many, and which came out otherwise.

        Raises JournalBusyError while another one runs, JournalError.
        """
        if not self._lock.acquire(blocking=False):
            raise JournalBusyError("looks are being decided again for somebody else: ask later")
        try:
            return self._run()
        finally:
            self._lock.release()

    def _run(self) -> dict[str, Any]:
        looks, differ, left = 0, list[int](), self.most
        for rollout in reversed([*self.reader.states()]):
            places = self.reader.places_of(rollout)[:left]
            for number, is_same in self._decide_again(places):
                looks += 1
                differ += [] if is_same else [number]
            left -= len(places)
            if left <= 0:
                break
        decisions = sum(bool(line.action) for line in self.reader.headlines())
        return {"looks": looks, "of": decisions, "differ": sorted(differ)}

    def _decide_again(self, places: list[int]) -> Iterable[tuple[int, bool]]:
        """Yield the number of each decision, and whether it comes out the same."""
        state: RolloutState | None = None
        for start in range(0, len(places), _AT_ONCE):
            for entry in self.reader.entries(places[start : start + _AT_ONCE]):
                if state is not None and isinstance(entry.fact, Decided):
                    yield entry.seq, _is_same(state, entry, entry.fact)
                state = fold(state, entry.fact, entry.seq)


def _is_same(state: RolloutState, entry: Entry, fact: Decided) -> bool:
    again = step(state, entry.fact.at, fact.rollout, fact.lived)
    return not differences(fact, again)
