"""The journal on SQLite: every append is one transaction, on disk when it returns."""

from __future__ import annotations

import sqlite3
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import sqlalchemy as sql
from sqlalchemy import event, pool
from sqlalchemy.exc import DBAPIError, IntegrityError

from rollout.errors import InputError, JournalError, JournalMovedError
from rollout.journal.files import explained, make
from rollout.journal.lines import RECORDING
from rollout.journal.lock import hold
from rollout.journal.record import START, Row, check_kept, check_last, parse, seal_all, verify

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from contextlib import AbstractContextManager

    from rollout.decide.facts import Fact
    from rollout.ports import Entry

_TABLES = sql.MetaData()
# `at`, `rollout` and `kind` repeat the fact for those who ask with SQL; reading compares them.
ENTRIES = sql.Table(
    "entries",
    _TABLES,
    sql.Column(
        "seq",
        sql.BigInteger().with_variant(sql.Integer, "sqlite"),
        primary_key=True,
        autoincrement=False,
    ),
    sql.Column("at", sql.Double, nullable=False),
    sql.Column("rollout", sql.Text, nullable=False),
    sql.Column("kind", sql.Text, nullable=False),
    sql.Column("text", sql.Text, nullable=False),
    sql.Column("previous", sql.CHAR(64), nullable=False),
    sql.Column("hash", sql.CHAR(64), nullable=False),
)
_LAST = sql.select(ENTRIES).order_by(ENTRIES.c.seq.desc()).limit(1)
_FROM = sql.select(ENTRIES).where(ENTRIES.c.seq >= sql.bindparam("after")).order_by(ENTRIES.c.seq)
_INSERT = sql.insert(ENTRIES)
_APPEND_ONLY = (
    "CREATE TRIGGER IF NOT EXISTS entries_no_{0} BEFORE {0} ON entries "
    "BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END"
)


def open_journal(path: Path | str, create: bool = True) -> SqlJournal:
    """The journal at a path, for appending; made, with its folders, for its owner only.

    Raises InputError when it is not there and may not be made, or is a recording; JournalError when
    it is no journal.
    """
    if Path(path).suffix == RECORDING:
        raise InputError(f"{path} is a recording: it can be read, not continued")
    return SqlJournal(path, create=create)


class SqlJournal:
    """A Journal in an SQLite file, given as a path or an `sqlite:///` URL.

    `readonly` never makes or changes a file. `patience` is how long an append waits for another
    writer's transaction, in seconds. Safe to use from several threads.
    """

    def __init__(
        self, where: Path | str, *, create: bool = True, readonly: bool = False, patience: float = 5
    ) -> None:
        self.path = _path(where)
        self._patience = patience
        if not self.path.exists():
            if readonly or not create:
                raise InputError(f"there is no journal at {self.path}")
            make(self.path)
        self._engine = self._reader()
        self._empty = self._is_empty()
        if not readonly:  # only now, as a writer leaves its mark on a file that may not be ours
            self._engine = self._writer()
            if self._empty:
                self._create()

    def append(self, facts: Sequence[Fact], after: int) -> list[Entry]:
        """See rollout.ports.Journal; all facts are on disk when this returns, or none is."""
        with self._words():
            try:
                with self._writing() as connection:
                    last = _last(connection)
                    verify([last] if last.seq else [], _before(last))
                    check_last(last, after)
                    rows = seal_all(last, facts)
                    entries = [parse(row) for row in rows]
                    if rows:
                        connection.execute(_INSERT, list(map(_columns, rows, facts)))
            except IntegrityError as error:  # a store without an exclusive BEGIN: both inserted
                raise JournalMovedError("the journal moved on: somebody appended first") from error
        return entries

    def rows(self, after: int = 0) -> list[Row]:
        """The sealed rows above `after`, verified from there on. Raises JournalError."""
        return [row for row, _ in self._stored(after)]

    def read(self, after: int = 0) -> list[Entry]:
        """See rollout.ports.Journal; what is returned is verified."""
        stored = self._stored(after)
        entries = [parse(row) for row, _ in stored]
        for entry, (_, shown) in zip(entries, stored, strict=True):
            if shown != _shown(entry.fact):
                raise JournalError(
                    f"entry {entry.seq} was altered: its columns do not fit its text"
                )
        return entries

    def lock(self) -> AbstractContextManager[None]:
        """Hold the journal as the one controller that decides. Raises JournalBusyError."""
        return hold(self.path)

    def close(self) -> None:
        """Close every connection; the journal opens them again when it is used."""
        self._engine.dispose()

    def _stored(self, after: int) -> list[tuple[Row, tuple[Any, ...]]]:
        if self._empty:
            self._empty = self._is_empty()
        found = [] if self._empty else self._select(after)
        check_kept(after, kept=bool(found) and found[0][0].seq == after)
        verify([row for row, _ in found], START if not after else _before(found[0][0]))
        return found[1:] if after else found

    def _select(self, after: int) -> list[tuple[Row, tuple[Any, ...]]]:
        with self._words(), self._engine.connect() as connection:
            found = connection.execute(_FROM, {"after": after}).all()
        return [
            (Row(row.seq, row.text, row.previous, row.hash), (row.at, row.rollout, row.kind))
            for row in found
        ]

    def _is_empty(self) -> bool:
        """Whether the file holds nothing yet. Raises JournalError when it is somebody else's."""
        if self.path.is_dir():
            raise JournalError(f"{self.path} is not a journal (a folder)")
        with self._words():
            tables = sql.inspect(self._engine).get_table_names()
        if tables and ENTRIES.name not in tables:
            raise JournalError(f"{self.path} is not a journal (another program's database)")
        return not tables

    def _create(self) -> None:
        with self._words(), self._writing() as connection:
            _TABLES.create_all(connection)
            for verb in ("UPDATE", "DELETE"):
                connection.exec_driver_sql(_APPEND_ONLY.format(verb))

    def _writing(self) -> AbstractContextManager[sql.Connection]:
        """A transaction that no other writer can come in between, from its first word on."""
        return self._engine.execution_options(begin="BEGIN IMMEDIATE").begin()

    def _writer(self) -> sql.Engine:
        url = sql.URL.create("sqlite", database=str(self.path))
        engine = sql.create_engine(url, connect_args={"timeout": self._patience})
        event.listen(engine, "connect", _durable)
        event.listen(engine, "begin", _begin)
        return engine

    def _reader(self) -> sql.Engine:
        return sql.create_engine("sqlite://", creator=self._connect_reader, poolclass=pool.NullPool)

    def _connect_reader(self) -> sqlite3.Connection:
        # No write-ahead file: nobody writes. Told so, SQLite makes no file of its own to read.
        quiet = "" if Path(f"{self.path}-wal").exists() else "&immutable=1"
        uri = f"file:{quote(str(self.path))}?mode=ro{quiet}"
        return sqlite3.connect(uri, uri=True, timeout=self._patience)

    @contextmanager
    def _words(self) -> Iterator[None]:
        try:
            yield
        except (DBAPIError, sqlite3.Error) as error:
            cause = error.orig if isinstance(error, DBAPIError) else error
            if not isinstance(cause, sqlite3.Error):
                raise
            raise explained(self.path, cause) from error


def _path(where: Path | str) -> Path:
    if isinstance(where, Path) or "://" not in where:
        return Path(where).resolve()  # the write-ahead file lies beside the real one
    url = sql.make_url(where)
    if url.get_backend_name() != "sqlite" or not url.database:
        raise InputError(f"a journal is an SQLite file: {url.render_as_string()} is not one")
    return Path(url.database).resolve()


def _durable(connection: Any, _record: object) -> None:
    connection.isolation_level = None  # sqlite3 would begin by itself, too late and not exclusively
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")  # NORMAL may lose the newest rows in a power cut


def _begin(connection: sql.Connection) -> None:
    connection.exec_driver_sql(connection.get_execution_options().get("begin", "BEGIN"))


def _last(connection: sql.Connection) -> Row:
    row = connection.execute(_LAST).first()
    return Row(row.seq, row.text, row.previous, row.hash) if row else START


def _before(row: Row) -> Row:
    """A stand-in for the row before, whose hash was verified when it was read."""
    return Row(row.seq - 1, "", "", row.previous)


def _columns(row: Row, fact: Fact) -> dict[str, Any]:
    at, rollout, kind = _shown(fact)
    return {**vars(row), "at": at, "rollout": rollout, "kind": kind}


def _shown(fact: Fact) -> tuple[Any, ...]:
    return (fact.at, fact.rollout, fact.kind)
