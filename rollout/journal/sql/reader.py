"""A journal in an SQLite file, for reading only, without what writes one.

It has what `SqlJournal` reads, by Python's own `sqlite3`: a command that prints a few entries would
load SQLAlchemy for longer than it reads.
"""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from rollout.errors import InputError, JournalError
from rollout.journal import file_lock
from rollout.journal.location import resolve
from rollout.journal.sql.plain import OTHERS, PlainFile
from rollout.journal.sql.stored import (
    COLUMNS,
    REVISIONS,
    TABLE,
    VERSION_TABLE,
    VerifiedReads,
    check_columns,
    check_revision,
    split_record,
)

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence

    from rollout.decide.record.facts import Fact
    from rollout.journal.sql.stored import Stored
    from rollout.ports import Entry

_SELECT = f"SELECT {', '.join(COLUMNS)} FROM {TABLE}"  # noqa: S608 - names of our own
_FROM = f"{_SELECT} WHERE seq >= ? ORDER BY seq LIMIT ?"
_HEAD = f"SELECT seq FROM {TABLE} ORDER BY seq DESC LIMIT 1"  # noqa: S608
_REVISIONS = f"SELECT version_num FROM {VERSION_TABLE}"  # noqa: S608
_TABLES = (
    "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite~_%' ESCAPE '~'"
)
_ALL = -1  # rows: SQLite's word for no limit


class SqliteReader(VerifiedReads):
    """A Journal's reading half over a file; it creates and changes nothing.

    Raises InputError where there is no file, JournalError where it is no journal. Safe to use from
    several threads: every read opens a connection of its own.
    """

    def __init__(self, path: Path, *, patience: float = 5) -> None:
        super().__init__()
        if not resolve(path).exists():
            raise InputError(f"there is no journal at {resolve(path)}")
        self._file = PlainFile(path, patience=patience)
        self._has_tables = self._inspect()

    def append(self, facts: Sequence[Fact], after: int) -> list[Entry]:
        """Raise JournalError: it was opened for reading."""
        raise JournalError(
            f"the journal {self._file.path} is read-only: {len(facts):,} facts after entry "
            f"{after:,} refused"
        )

    def holder(self) -> str | None:
        """Describe the controller that decides on this journal; None when there is none."""
        return file_lock.describe_holder(self._file.path)

    def close(self) -> None:
        """Do nothing: no connection stays open between reads."""

    def _select_from(self, first: int, most: int | None) -> list[Stored]:
        return self._select(_FROM, (first, most or _ALL))

    def _pick(self, places: Sequence[int]) -> list[Stored]:
        marks = ", ".join("?" * len(places))
        return self._select(f"{_SELECT} WHERE seq IN ({marks}) ORDER BY seq", places)

    def _find_head(self) -> int:
        with self._file.words(), closing(self._file.connect_reader()) as connection:
            record = connection.execute(_HEAD).fetchone()
        return record[0] if record else 0

    def _select(self, statement: str, values: Sequence[int]) -> list[Stored]:
        with self._file.words(), closing(self._file.connect_reader()) as connection:
            return list(map(split_record, connection.execute(statement, values)))

    def _is_empty(self) -> bool:
        self._has_tables = self._has_tables or self._inspect()
        return not self._has_tables

    def _inspect(self) -> bool:
        """Return whether the journal's tables are there. Raises JournalError for other ones."""
        with self._file.words(), closing(self._file.connect_reader()) as connection:
            names = {name for (name,) in connection.execute(_TABLES)}
            try:
                return _check_tables(connection, names)
            except JournalError as error:  # which do not know the journal's name
                raise JournalError(f"the journal {self._file.path} {error}") from None


def _check_tables(connection: sqlite3.Connection, names: set[str]) -> bool:
    if TABLE not in names:
        if names:
            raise JournalError(OTHERS)
        return False
    check_columns(column[1] for column in connection.execute(f"PRAGMA table_info({TABLE})"))
    revisions = [REVISIONS[0]]  # of a journal from before there was a number
    if VERSION_TABLE in names:
        revisions = [number for (number,) in connection.execute(_REVISIONS)]
    check_revision(revisions)
    return True
