"""Ids of entries that mean one entry among all journals: `3f9c01ab77de.52`, `chain.number`.

A chain's name is the beginning of its first entry's hash. That hash covers the plan, the time and
the controller of its first rollout, so two journals have other names, and an export, a segment and
a migrated copy of one journal have the same. The leaves of its tree do not hold it: it follows from
them.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from rollout.decide.record.write_id import CHAIN_DIGITS, name_chain
from rollout.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Protocol

    from rollout.journal.hash_chain import Row

    class FirstRows(Protocol):
        """A journal, as far as its chain's name is asked for."""

        def rows(self, after: int = 0, most: int | None = None) -> Sequence[Row]: ...


PATTERN = rf"^[0-9a-f]{{{CHAIN_DIGITS}}}\.[0-9]{{1,18}}$"
"""What an id with its chain looks like, as a regular expression."""
_ID = re.compile(rf"(?:([0-9a-f]{{{CHAIN_DIGITS}}})\.)?([0-9]{{1,18}})")


class EntryId(NamedTuple):
    """An entry's number, and its chain's name where that was given."""

    chain: str | None
    number: int

    def __str__(self) -> str:
        return f"{self.chain}.{self.number}" if self.chain else str(self.number)

    def check_chain(self, chain: str | None) -> None:
        """Raise InputError where the id names another chain than the journal's."""
        if self.chain is not None and self.chain != chain:
            own = f"this journal is chain {chain}" if chain else "this journal is empty"
            raise InputError(f"entry {self} is of another chain: {own}")


def parse_id(text: str) -> EntryId:
    """Return the id of a text: `3f9c01ab77de.52`, or the number alone. Raises ValueError."""
    match = _ID.fullmatch(text)
    if match is None:
        raise ValueError(
            f"an entry is a number, or CHAIN.NUMBER with {CHAIN_DIGITS} hexadecimal digits"
        )
    return EntryId(match[1], int(match[2]))


def find_chain(journal: FirstRows) -> str | None:
    """Return the name of a journal's chain; None before its first entry. Raises JournalError."""
    first = journal.rows(0, 1)
    return name_chain(first[0].hash) if first else None
