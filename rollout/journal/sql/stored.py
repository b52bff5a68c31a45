"""Rows of a journal's table, and reading them verified, whatever program asks the database.

How it works: a read selects the row before the first new one as well, which shows that the journal
was not cut; each row's hash, its link and the columns that repeat its fact are checked. Nothing
here loads SQLAlchemy, because loading it takes longer than reading a file's newest entries.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

from rollout.errors import JournalError
from rollout.journal.hash_chain import START, NewestRow, Row, parse, verify
from rollout.journal.scan import AT_ONCE, check_picked, parts, scan
from rollout.ports import SkippedObservation

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from rollout.decide.record.facts import Fact
    from rollout.ports import Entry

Stored = tuple[Row, tuple[Any, ...]]  # a row, and the columns that repeat its fact

TABLE, VERSION_TABLE = "entries", "journal_version"
COLUMNS = ("seq", "at", "rollout", "kind", "text", "previous", "hash")
# Those of migrations/versions, oldest first. This version of Surefoot reads and writes the last.
REVISIONS = ("0001",)


class VerifiedReads(ABC):
    """What is read of a journal in a database; a subclass asks that database."""

    def __init__(self) -> None:
        self._known = NewestRow()

    def rows(self, after: int = 0, most: int | None = None) -> list[Row]:
        """The sealed rows after entry `after`, verified; the first `most`. Raises JournalError."""
        return [row for row, _ in self._load_rows(after, most)]

    def head(self) -> int:
        """The number of the newest entry, 0 where there is none. Raises JournalError."""
        return 0 if self._is_empty() else self._find_head()

    def read(self, after: int = 0, most: int | None = None) -> list[Entry]:
        """See rollout.ports.Journal; what is returned is verified; the first `most`.

        Raises JournalBusyError when this process has lost the controller's lock.
        """
        return list(map(entry_of, self._load_rows(after, most)))

    def read_unverified(self) -> list[Entry]:
        """Return all entries, whatever their chain says. Raises JournalError."""
        stored = [] if self._is_empty() else self._select_from(0, None)
        return list(map(entry_of, stored))

    def scan(self) -> Iterator[Entry | SkippedObservation]:
        """See rollout.ports.Journal."""
        last = START
        while stored := self._load_rows(last.seq, AT_ONCE):
            verify([stored[0][0]], last)
            yield from map(skimmed_of, stored)
            last = stored[-1][0]

    def read_at(self, places: Sequence[int]) -> Iterator[Entry]:
        """See rollout.ports.Journal."""
        for batch in parts(places):
            picked = self._pick(batch)
            check_picked(batch, [row for row, _ in picked])
            yield from map(entry_of, picked)

    @abstractmethod
    def _select_from(self, first: int, most: int | None) -> list[Stored]:
        """Select the rows from number `first` on, in order; the first `most`."""

    @abstractmethod
    def _pick(self, places: Sequence[int]) -> list[Stored]:
        """Select the rows of these numbers, in order."""

    @abstractmethod
    def _find_head(self) -> int:
        """Return the number of the newest row, 0 where there is none."""

    @abstractmethod
    def _is_empty(self) -> bool:
        """Return whether there are no tables; another process may make them at any time."""

    def _load_rows(self, after: int, most: int | None = None) -> list[Stored]:
        """The verified rows after entry `after`, the first `most`.

        The row of `after` itself is selected too: it shows that the journal was not cut, and the
        first new row must link to it.
        """
        selected = []
        if not self._is_empty():
            selected = self._select_from(after, most + bool(after) if most else None)
        self._known.check_kept(after, selected[0][0] if selected else None)
        verify(
            [row for row, _ in selected], START if not after else stand_in_before(selected[0][0])
        )
        if selected:
            self._known.note(selected[-1][0])
        return selected[1:] if after else selected


def split_record(record: Iterable[Any]) -> Stored:
    """Split a record of all COLUMNS into the sealed row and the columns that repeat its fact."""
    seq, at, rollout, kind, text, previous, seal = record
    return Row(seq, text, previous, seal), (at, rollout, kind)


def repeated(fact: Fact | SkippedObservation) -> tuple[Any, ...]:
    """The values of a fact that columns repeat."""
    return (fact.at, fact.rollout, fact.kind)


def entry_of(stored: Stored) -> Entry:
    """Read a row's entry. Raises JournalError for an unknown fact or columns that do not fit it."""
    entry = parse(stored[0])
    _check_fit(entry.seq, repeated(entry.fact), stored[1])
    return entry


def skimmed_of(stored: Stored) -> Entry | SkippedObservation:
    """Read a row's entry like `entry_of`, but skip observations."""
    record = scan(stored[0])
    fact = record if isinstance(record, SkippedObservation) else record.fact
    _check_fit(record.seq, repeated(fact), stored[1])
    return record


def stand_in_before(row: Row) -> Row:
    """Stand in for the row before, so that `verify` accepts this row's link.

    The link was verified when the row before was read; here only the row itself is checked.
    """
    return Row(row.seq - 1, "", "", row.previous)


def check_columns(names: Iterable[str]) -> None:
    """Raise JournalError where a table of our name is another program's."""
    if not {*names} >= {*COLUMNS}:
        raise JournalError("is not a journal (another program's table)")


def check_revision(revisions: list[str]) -> None:
    """Raise JournalError, without the journal's name, for another schema than this version's."""
    newer = ", ".join(sorted(set(map(str, revisions)) - set(REVISIONS)))
    if newer:
        raise JournalError(
            f"was written by a newer Surefoot (schema {newer}, this one knows up to "
            f"{REVISIONS[-1]}): update Surefoot"
        )
    if revisions != [REVISIONS[-1]]:
        older = ", ".join(revisions) or "none"
        raise JournalError(
            f"is of an older schema ({older}): stop the controller, then run "
            "`python -m rollout.journal.migrate JOURNAL`"
        )


def _check_fit(seq: int, expected: tuple[Any, ...], columns: tuple[Any, ...]) -> None:
    if expected != columns:
        raise JournalError(f"entry {seq} was altered: its columns differ from its text")
