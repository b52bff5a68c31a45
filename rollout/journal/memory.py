"""A journal in memory, for simulations and recordings; it keeps the contract of a stored one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rollout.journal.hash_chain import START, NewestRow, Row, parse, seal_all, verify
from rollout.journal.scan import check_picked, scan

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from rollout.decide.record.facts import Fact
    from rollout.ports import Entry, SkippedObservation


class MemoryJournal:
    """A Journal in memory, gone with its process.

    The constructor raises JournalError for rows that do not form a chain.
    """

    def __init__(self, rows: Iterable[Row] = ()) -> None:
        self._rows = list(rows)
        verify(self._rows)

    def append(self, facts: Sequence[Fact], after: int) -> list[Entry]:
        """See rollout.ports.Journal."""
        last = self._rows[-1] if self._rows else START
        NewestRow(last).check_last(last, after)
        rows = seal_all(last, facts)
        entries = [parse(row) for row in rows]
        self._rows += rows
        return entries

    def rows(self, after: int = 0, most: int | None = None) -> list[Row]:
        """The sealed rows after entry `after`, the first `most`."""
        # Verified rows are numbered from 1 without a gap: row n is at index n - 1.
        NewestRow().check_kept(
            after, self._rows[after - 1] if 0 < after <= len(self._rows) else None
        )
        return self._rows[after : None if most is None else after + most]

    def head(self) -> int:
        """The number of the newest entry, 0 where there is none."""
        return len(self._rows)

    def read(self, after: int = 0, most: int | None = None) -> list[Entry]:
        """See rollout.ports.Journal."""
        return [parse(row) for row in self.rows(after, most)]

    def scan(self) -> Iterator[Entry | SkippedObservation]:
        """See rollout.ports.Journal."""
        return map(scan, self.rows())

    def read_at(self, places: Sequence[int]) -> Iterator[Entry]:
        """See rollout.ports.Journal."""
        rows = [self._rows[seq - 1] for seq in places if 0 < seq <= len(self._rows)]
        check_picked(places, rows)
        return map(parse, rows)
