"""The journal in a database: every append is one transaction, on disk when it returns."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import sqlalchemy as sql
from sqlalchemy.exc import ArgumentError, IntegrityError

from rollout.errors import InputError, JournalError, JournalMovedError
from rollout.journal.hash_chain import START, Row, check_kept, check_last, parse, seal_all, verify
from rollout.journal.jsonl import RECORDING
from rollout.journal.location import JournalLocation, is_url, shown
from rollout.journal.scan import AT_ONCE, check_picked, parts
from rollout.journal.sql import tables
from rollout.journal.sql.tables import ENTRIES

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from contextlib import AbstractContextManager

    from rollout.decide.record.facts import Fact
    from rollout.journal.sql.database import Database
    from rollout.journal.sql.tables import Stored
    from rollout.ports import Entry, SkippedObservation
_POSTGRES = {"postgresql+psycopg", "postgresql", "postgres"}


def open_journal(where: JournalLocation, create: bool = True) -> SqlJournal:
    """The journal at a path or URL, for appending; made, with its folders, for its owner only.

    Raises InputError when it is not there and may not be made, or is a recording; JournalError when
    it is no journal.
    """
    if not is_url(where) and Path(where).suffix == RECORDING:
        raise InputError(f"{where} is a recording: it can be read, not continued")
    return SqlJournal(where, create=create)


class SqlJournal:
    """A Journal in an SQLite file (a path, `sqlite:///PATH`) or on PostgreSQL (its URL).

    `readonly` never makes or changes anything. `patience` is how long an append waits for another
    writer's transaction, in seconds. Safe to use from several threads.
    """

    def __init__(
        self,
        where: JournalLocation,
        *,
        create: bool = True,
        readonly: bool = False,
        patience: float = 5,
    ) -> None:
        may_make = create and not readonly
        self.database = _database(where, may_make=may_make, readonly=readonly, patience=patience)
        self._empty, marked = self._look()
        if self._empty and not (may_make or self.database.may_be_empty):
            raise InputError(f"there is no journal at {self.database.name}")
        if not readonly:
            self.database.open_for_writing()
            if self._empty or not marked:
                with self.database.words(), self.database.writing() as connection:
                    tables.create(connection)

    def append(self, facts: Sequence[Fact], after: int) -> list[Entry]:
        """See rollout.ports.Journal; all facts are on disk when this returns, or none is."""
        with self.database.words():
            try:
                with self.database.writing() as connection:
                    last = tables.last(connection)
                    verify([last] if last.seq else [], _before(last))
                    check_last(last, after)
                    entries: list[Entry] = []
                    for start in range(0, len(facts), AT_ONCE):
                        part = facts[start : start + AT_ONCE]
                        rows = seal_all(last, part)
                        entries += map(parse, rows)
                        values = list(map(tables.columns_of, rows, part))
                        connection.execute(tables.INSERT, values)
                        last = rows[-1]
            except IntegrityError as error:  # somebody wrote without asking for the lock
                raise JournalMovedError("the journal moved on: somebody appended first") from error
        return entries

    def rows(self, after: int = 0) -> list[Row]:
        """The sealed rows above `after`, verified from there on. Raises JournalError."""
        return [row for row, _ in self._stored(after)]

    def read(self, after: int = 0) -> list[Entry]:
        """See rollout.ports.Journal; what is returned is verified.

        Raises JournalBusyError when this process has lost the controller's lock.
        """
        return list(map(tables.entry_of, self._stored(after)))

    def skim(self) -> Iterator[Entry | SkippedObservation]:
        """See rollout.ports.Journal."""
        last = START
        while stored := self._stored(last.seq, AT_ONCE + 1):
            verify([stored[0][0]], last)
            yield from map(tables.skimmed_of, stored)
            last = stored[-1][0]

    def pick(self, places: Sequence[int]) -> Iterator[Entry]:
        """See rollout.ports.Journal."""
        for part in parts(places):
            found = self._select(tables.PICKED, {"places": list(part)})
            check_picked(part, [row for row, _ in found])
            yield from map(tables.entry_of, found)

    def lock(self, *, instead: bool = False) -> AbstractContextManager[None]:
        """Hold the journal as the one controller that decides. Raises JournalBusyError.

        `instead` ends another's hold, on PostgreSQL: for whoever was elected in its place.
        """
        return self.database.lock(instead=instead)

    def check_held(self) -> None:
        """Whether nobody else can have decided since the last read or append.

        Raises StaleError when somebody may have, JournalError when the journal cannot be asked.
        """
        with self.database.words():
            self.database.check_held()

    def check_takes(self) -> None:
        """Raises JournalError where it does not answer or takes no entries; nothing is written."""
        with self.database.words():
            self.database.check_takes()

    def holder(self) -> str | None:
        """The controller that decides on this journal, in words; None when there is none."""
        return self.database.holder()

    def close(self) -> None:
        """Close every connection; the journal opens them again when it is used."""
        self.database.close()

    def _stored(self, after: int, most: int | None = None) -> list[Stored]:
        if self._empty:
            self._empty, _ = self._look()
        wanted = {"after": after} | ({"most": most} if most else {})
        statement = tables.PART if most else tables.FROM
        found = [] if self._empty else self._select(statement, wanted)
        check_kept(after, kept=bool(found) and found[0][0].seq == after)
        verify([row for row, _ in found], START if not after else _before(found[0][0]))
        return found[1:] if after else found

    def _select(self, statement: sql.Select[Any], wanted: dict[str, Any]) -> list[Stored]:
        with self.database.words(), self.database.reading() as connection:
            return list(map(tables.stored, connection.execute(statement, wanted)))

    def _look(self) -> tuple[bool, bool]:
        """Whether there is nothing yet, and whether what there is carries its revision.

        Raises JournalError when it is somebody else's or of another schema.
        """
        with self.database.words(), self.database.reading() as connection:
            names = tables.names_of(connection)
            with self._named():
                if ENTRIES.name in names:
                    return False, tables.marked(connection, names)
                self.database.check_fit(connection, names)
        return True, False

    @contextmanager
    def _named(self) -> Iterator[None]:
        try:
            yield
        except JournalError as error:
            raise JournalError(f"the journal {self.database.name} {error}") from None


def open_database(where: JournalLocation) -> Database:
    """What a journal lies in, for writing; whatever its schema. Raises InputError, JournalError."""
    database = _database(where, may_make=False, readonly=False, patience=5)
    database.open_for_writing()
    return database


def _database(
    where: JournalLocation, *, may_make: bool, readonly: bool, patience: float
) -> Database:
    from rollout.journal.sql.sqlite import SqliteFile

    if not is_url(where):
        return SqliteFile(Path(where), may_make=may_make, patience=patience)
    try:
        url = sql.make_url(str(where))
    except (ArgumentError, ValueError):
        raise InputError(f"{shown(where)} is no database URL") from None
    if url.drivername in _POSTGRES:
        from rollout.journal.sql.postgres import PostgresServer

        return PostgresServer(url, readonly=readonly, patience=patience)
    if url.get_backend_name() != "sqlite" or not url.database:
        raise InputError(f"a journal is an SQLite file or on PostgreSQL: {shown(where)} is neither")
    return SqliteFile(Path(url.database), may_make=may_make, patience=patience)


def _before(row: Row) -> Row:
    """A stand-in for the row before, whose hash was verified when it was read."""
    return Row(row.seq - 1, "", "", row.previous)
