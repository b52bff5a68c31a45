"""Keeps a fleet in step with its journal: every appended entry is folded, also others'."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import zip_longest

from rollout.decide.record.facts import Fact
from rollout.decide.state.rollout import RolloutState
from rollout.errors import JournalMovedError
from rollout.ports import Entry, Journal
from rollout.tick.fleet import Fleet

# A person's command may be appended between our read and our append: then read and try again.
RETRIES = 8


@dataclass
class JournalSync:
    """One journal, folded into one fleet; calls `on_entry` for every entry after it is folded."""

    journal: Journal
    fleet: Fleet
    on_entry: Callable[[Entry], None]

    def catch_up(self) -> None:
        """Fold every entry that was appended since the last call, by us or by others."""
        for entry in self.fleet.read(self.journal):
            self.on_entry(entry)
        self.fleet.load_active_evidence(self.journal)

    def append(self, facts: Sequence[Fact]) -> None:
        """Append facts that stay true whatever else is appended.

        Raises JournalMovedError, JournalError.
        """
        for _ in range(RETRIES):
            if self.try_append(facts):
                return
        raise JournalMovedError(
            "other writers keep appending to the journal: does a second controller use it?"
        )

    def try_append(self, facts: Sequence[Fact], after: Sequence[RolloutState | None] = ()) -> bool:
        """Append facts and return True; if another entry came first, fold that and return False.

        `after` holds the states after each fact where the caller has folded them already. They are
        reused if the journal stored the facts unchanged, so that every fact is folded once. Raises
        ReplayError for a fact that cannot be folded: it is not recorded, for nobody could go on.
        """
        if not facts:
            return True
        after = after or self.fleet.fold_ahead(facts)
        try:
            entries = self.journal.append(facts, self.fleet.head)
        except JournalMovedError:
            self.catch_up()
            return False
        is_unchanged = [entry.fact for entry in entries] == list(facts)
        for entry, state in zip_longest(entries, after if is_unchanged else ()):
            self.fleet.fold_entry(entry, state)
            self.on_entry(entry)
        self.fleet.load_active_evidence(self.journal)
        return True
