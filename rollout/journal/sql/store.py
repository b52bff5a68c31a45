"""The journal in a database: every append is one transaction, on disk when it returns.

How it works: an append locks out other writers, checks that the last row is intact and still is the
one that the caller expects, and adds sealed rows. A read verifies every row that it returns, and
the links between them, so a change by other means is found before anything acts on it.
"""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import sqlalchemy as sql
from sqlalchemy.exc import ArgumentError, IntegrityError

from rollout.errors import InputError, JournalError, JournalMovedError
from rollout.journal.hash_chain import parse, seal_all, verify
from rollout.journal.jsonl import RECORDING
from rollout.journal.location import JournalLocation, is_url, shown
from rollout.journal.scan import AT_ONCE
from rollout.journal.sql import tables
from rollout.journal.sql.stored import Stored, VerifiedReads, split_record, stand_in_before
from rollout.journal.sql.tables import ENTRIES

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from contextlib import AbstractContextManager

    from rollout.decide.record.facts import Fact
    from rollout.journal.sql.database import Database
    from rollout.ports import Entry

# Seconds; PostgreSQL frees the locks of a writer that is cut off or frozen after ten (postgres.py).
PATIENCE = 15
_POSTGRES = {"postgresql+psycopg", "postgresql", "postgres"}


def open_journal(where: JournalLocation, create: bool = True) -> SqlJournal:
    """Open a journal at a path or URL for appending.

    A file that does not exist is created, with its folders, for its owner only. Raises InputError
    when it does not exist and may not be created, or is a recording; JournalError when it is not a
    journal.
    """
    if not is_url(where) and Path(where).suffix == RECORDING:
        raise InputError(f"{where} is an export, which is read-only: name a journal")
    return SqlJournal(where, create=create)


class SqlJournal(VerifiedReads):
    """A Journal in an SQLite file (a path, `sqlite:///PATH`) or on PostgreSQL (its URL).

    `readonly` never creates or changes anything. `patience` is the longest wait of an append for
    another writer's transaction, in seconds. Safe to use from several threads.
    """

    def __init__(
        self,
        where: JournalLocation,
        *,
        create: bool = True,
        readonly: bool = False,
        patience: float = PATIENCE,
    ) -> None:
        super().__init__()
        may_make = create and not readonly
        self.database = _make_database(
            where, may_make=may_make, readonly=readonly, patience=patience
        )
        self._empty, has_revision = self._inspect()
        if self._empty and not (may_make or self.database.may_be_empty):
            raise InputError(f"there is no journal at {self.database.name}")
        if not readonly:
            self.database.open_for_writing()
            if self._empty or not has_revision:
                with self.database.words(), self.database.writing() as connection:
                    tables.create(connection)

    def append(self, facts: Sequence[Fact], after: int) -> list[Entry]:
        """See rollout.ports.Journal; all facts are on disk when this returns, or none is."""
        with self.database.words():
            try:
                with self.database.writing() as connection:
                    last = tables.last(connection)
                    # Never seal onto an altered row: the new hash would vouch for it.
                    verify([last] if last.seq else [], stand_in_before(last))
                    self._known.check_last(last, after)
                    entries: list[Entry] = []
                    for start in range(0, len(facts), AT_ONCE):
                        batch = facts[start : start + AT_ONCE]
                        rows = seal_all(last, batch)
                        entries += map(parse, rows)
                        values = list(map(tables.columns_of, rows, batch))
                        connection.execute(tables.INSERT, values)
                        last = rows[-1]
            except IntegrityError as error:  # somebody wrote without taking the lock
                raise JournalMovedError("another writer appended to the journal first") from error
        self._known.note(last)
        return entries

    def lock(self, *, instead: bool = False) -> AbstractContextManager[None]:
        """Hold the journal as the one controller that decides. Raises JournalBusyError.

        `instead` ends another controller's hold, on PostgreSQL only. Only an elected leader may
        pass it.
        """
        return self.database.lock(instead=instead)

    def check_held(self) -> None:
        """Check that no other controller can have decided since the last read or append.

        Raises StaleError when one may have, JournalError when the journal cannot be asked.
        """
        with self.database.words():
            self.database.check_held()

    def check_writable(self) -> None:
        """Raise JournalError when the journal does not answer or takes no entries.

        Nothing is written.
        """
        with self.database.words():
            self.database.check_writable()

    def holder(self) -> str | None:
        """Describe the controller that decides on this journal; None when there is none."""
        return self.database.holder()

    def close(self) -> None:
        """Close every connection; the next use opens new ones."""
        self.database.close()

    def _select_from(self, first: int, most: int | None) -> list[Stored]:
        values = {"after": first} | ({"most": most} if most else {})
        return self._select(tables.PART if most else tables.FROM, values)

    def _pick(self, places: Sequence[int]) -> list[Stored]:
        return self._select(tables.PICKED, {"places": list(places)})

    def _find_head(self) -> int:
        with self.database.words(), self.database.reading() as connection:
            return tables.last(connection).seq

    def _select(self, statement: sql.Select[Any], values: dict[str, Any]) -> list[Stored]:
        with self.database.words(), self.database.reading() as connection:
            return list(map(split_record, connection.execute(statement, values)))

    def _is_empty(self) -> bool:
        """Whether there are no tables; another process may make them at any time."""
        if self._empty:
            self._empty, _ = self._inspect()
        return self._empty

    def _inspect(self) -> tuple[bool, bool]:
        """Whether the journal is empty, and whether it carries its revision number.

        Raises JournalError when it belongs to another program or has another schema.
        """
        with self.database.words(), self.database.reading() as connection:
            names = tables.names_of(connection)
            with self._prefix_errors():
                if ENTRIES.name in names:
                    return False, tables.marked(connection, names)
                self.database.check_fit(connection, names)
        return True, False

    @contextmanager
    def _prefix_errors(self) -> Iterator[None]:
        """Put the journal's name in front of errors that do not know it."""
        try:
            yield
        except JournalError as error:
            raise JournalError(f"the journal {self.database.name} {error}") from None


def open_database(where: JournalLocation) -> Database:
    """Open a journal's database for writing, whatever its schema.

    Raises InputError, JournalError.
    """
    database = _make_database(where, may_make=False, readonly=False, patience=PATIENCE)
    database.open_for_writing()
    return database


def _make_database(
    where: JournalLocation, *, may_make: bool, readonly: bool, patience: float
) -> Database:
    from rollout.journal.sql.sqlite import SqliteFile

    if not is_url(where):
        return SqliteFile(Path(where), may_make=may_make, patience=patience)
    try:
        url = sql.make_url(str(where))
    except (ArgumentError, ValueError):
        raise InputError(f"{shown(where)} is not a database URL") from None
    if url.drivername in _POSTGRES:
        from rollout.journal.sql.postgres import PostgresServer

        return PostgresServer(url, readonly=readonly, patience=patience)
    if url.get_backend_name() != "sqlite" or not url.database:
        raise InputError(f"{shown(where)} is neither an SQLite file nor a PostgreSQL URL")
    return SqliteFile(Path(url.database), may_make=may_make, patience=patience)
