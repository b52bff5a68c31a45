"""A journal and the fleet in step: what is appended is folded, whoever appended it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import zip_longest

from rollout.decide.record.facts import Fact
from rollout.decide.state.rollout import RolloutState
from rollout.errors import JournalMovedError
from rollout.ports import Entry, Journal
from rollout.tick.fleet import Fleet

# People's commands may slip in between reading and appending; each time we read them and redo.
RETRIES = 8


@dataclass
class JournalSync:
    """One journal, folded into one fleet; `on_entry` hears each entry after it was."""

    journal: Journal
    fleet: Fleet
    on_entry: Callable[[Entry], None]

    def catch_up(self) -> None:
        """Fold what was appended since we last looked, by us or by others."""
        for entry in self.fleet.read(self.journal):
            self.on_entry(entry)
        self.fleet.wake_active(self.journal)

    def append(self, facts: Sequence[Fact]) -> None:
        """Append facts that hold whatever others say. Raises JournalMovedError, JournalError."""
        for _ in range(RETRIES):
            if self.try_append(facts):
                return
        raise JournalMovedError("the journal keeps moving: is another controller writing to it?")

    def try_append(self, facts: Sequence[Fact], after: Sequence[RolloutState] = ()) -> bool:
        """Whether the facts were appended; if not, others' facts were folded instead.

        `after` holds the states after each fact, where they were thought of. They are kept if the
        journal took the facts as they are, so that every fact is folded once.
        """
        if not facts:
            return True
        try:
            entries = self.journal.append(facts, self.fleet.head)
        except JournalMovedError:
            self.catch_up()
            return False
        as_thought = [entry.fact for entry in entries] == list(facts)
        for entry, state in zip_longest(entries, after if as_thought else ()):
            self.fleet.take(entry, state)
            self.on_entry(entry)
        self.fleet.wake_active(self.journal)
        return True
