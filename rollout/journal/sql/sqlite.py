"""A journal's SQLite file: one writer's transaction at a time, on disk when it returns."""

from __future__ import annotations

import os
import sqlite3
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import sqlalchemy as sql
from sqlalchemy import event, pool
from sqlalchemy.exc import DBAPIError

from rollout.errors import InputError, JournalError
from rollout.journal import file_lock

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager

_TRIES, _PAUSE = 25, 0.02
_WORDS = {
    "SQLITE_NOTADB": "is not a journal (not an SQLite database)",
    "SQLITE_CORRUPT": "is damaged",
    "SQLITE_FULL": "cannot be written: the disk is full",
    "SQLITE_READONLY": "is read-only",
    "SQLITE_BUSY": "is locked by another writer",
    "SQLITE_LOCKED": "is locked by another writer",
    "SQLITE_CANTOPEN": "cannot be opened: no permission, or its folder is gone",
    "SQLITE_IOERR": "cannot be read or written: the disk reports a fault",
}


class SqliteFile:
    """A Database in a file. `patience` is how long it waits for another writer, in seconds."""

    may_be_empty = True  # a file that is there but holds nothing yet is about to become a journal

    def __init__(self, path: Path, *, may_make: bool, patience: float) -> None:
        self.path, self._patience = path.resolve(), patience  # the write-ahead file lies there
        if not self.path.exists():
            if not may_make:
                raise InputError(f"there is no journal at {self.path}")
            _make(self.path)
        if self.path.is_dir():
            raise JournalError(f"the journal {self.path} is not a journal (a folder)")
        self.engine = self._reader()

    @property
    def name(self) -> str:
        return str(self.path)

    def open_for_writing(self) -> None:
        """Only once the file is known to be ours, as a writer leaves its mark on it."""
        self.engine = self._writer()

    def reading(self) -> AbstractContextManager[sql.Connection]:
        return self.engine.connect()

    def writing(self) -> AbstractContextManager[sql.Connection]:
        return self.engine.execution_options(begin="BEGIN IMMEDIATE").begin()

    def check_fit(self, connection: sql.Connection, names: list[str]) -> None:
        """Raises JournalError when the file holds somebody else's tables."""
        del connection
        if names:
            raise JournalError("is not a journal (another program's database)")

    def lock(self, *, instead: bool = False) -> AbstractContextManager[None]:
        del instead  # the kernel frees it with its process, and never before
        return file_lock.hold(self.path)

    def check_held(self) -> None:
        """Nothing: a lock of the kernel is not lost."""

    def check_takes(self) -> None:
        """Nothing: its one writer writes, and is told."""

    def holder(self) -> str | None:
        pid = file_lock.holder(self.path)
        return None if pid is None else f"pid {pid or 'unknown'}"

    @contextmanager
    def words(self) -> Iterator[None]:
        try:
            yield
        except (DBAPIError, sqlite3.Error) as error:
            cause = error.orig if isinstance(error, DBAPIError) else error
            if not isinstance(cause, sqlite3.Error):
                raise
            raise _explained(self.path, cause) from error

    def close(self) -> None:
        self.engine.dispose()

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


def _durable(connection: Any, _record: object) -> None:
    connection.isolation_level = None  # sqlite3 would begin by itself, too late and not exclusively
    _write_ahead(connection)
    connection.execute("PRAGMA synchronous=FULL")  # NORMAL may lose the newest rows in a power cut


def _write_ahead(connection: Any) -> None:
    """Of several who make a new file so at once, all but one are refused, however patient."""
    for left in reversed(range(_TRIES)):
        try:
            connection.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError as error:
            if not left or not error.sqlite_errorname.startswith("SQLITE_BUSY"):
                raise
            time.sleep(_PAUSE)
        else:
            return


def _begin(connection: sql.Connection) -> None:
    connection.exec_driver_sql(connection.get_execution_options().get("begin", "BEGIN"))


def _make(path: Path) -> None:
    """An empty file and the folders above it, for their owner only, and on disk."""
    try:
        for folder in reversed([folder for folder in path.parents if not folder.exists()]):
            folder.mkdir(mode=0o700, exist_ok=True)
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
        folder_handle = os.open(path.parent, os.O_RDONLY)
        os.fsync(folder_handle)
        os.close(folder_handle)
    except OSError as error:
        raise JournalError(f"no journal can be made at {path}: {error.strerror}") from error


def _explained(path: Path, error: sqlite3.Error) -> JournalError:
    """What SQLite said, in words for the user."""
    name = str(getattr(error, "sqlite_errorname", ""))  # such as SQLITE_IOERR_FSYNC
    kind = "_".join(name.split("_")[:2])
    return JournalError(f"the journal {path} {_WORDS.get(kind, f'failed: {error}')}")
