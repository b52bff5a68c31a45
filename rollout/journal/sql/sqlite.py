"""A journal in an SQLite file.

One writer's transaction runs at a time, and it is on disk when it returns.
"""

from __future__ import annotations

import os
import sqlite3
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import sqlalchemy as sql
from sqlalchemy import event, pool
from sqlalchemy.exc import DBAPIError

from rollout.errors import InputError, JournalError
from rollout.journal import file_lock
from rollout.journal.location import resolve
from rollout.journal.sql.plain import OTHERS, PlainFile

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager

_TRIES, _PAUSE = 25, 0.02


class SqliteFile:
    """A Database in a file. `patience` is the longest wait for another writer, in seconds."""

    may_be_empty = True  # a file without tables is a journal that another process is creating

    def __init__(self, path: Path, *, may_make: bool, patience: float) -> None:
        if not resolve(path).exists():
            if not may_make:
                raise InputError(f"there is no journal at {resolve(path)}")
            _create_file(resolve(path))
        self._file = PlainFile(path, patience=patience)
        self.engine = self._make_reader()

    @property
    def name(self) -> str:
        return str(self._file.path)

    def open_for_writing(self) -> None:
        """Switch to an engine that writes.

        Its first connection changes the file to write-ahead logging, so the file must be ours.
        """
        self.engine = self._make_writer()

    def reading(self) -> AbstractContextManager[sql.Connection]:
        return self.engine.connect()

    def writing(self) -> AbstractContextManager[sql.Connection]:
        # IMMEDIATE takes the write lock at once. Otherwise another writer could commit between our
        # read of the last row and our insert, and SQLite would refuse the insert.
        return self.engine.execution_options(begin="BEGIN IMMEDIATE").begin()

    def check_fit(self, connection: sql.Connection, names: list[str]) -> None:
        """Raise JournalError when the file holds another program's tables."""
        del connection
        if names:
            raise JournalError(OTHERS)

    def lock(self, *, instead: bool = False) -> AbstractContextManager[None]:
        del instead  # a file lock ends with its process, and nobody else can end it
        return file_lock.hold(self._file.path)

    def check_held(self) -> None:
        """Do nothing: a file lock is not lost while its process lives."""

    def check_writable(self) -> None:
        """Do nothing: the controller writes here itself and sees every failure."""

    def holder(self) -> str | None:
        return file_lock.describe_holder(self._file.path)

    @contextmanager
    def words(self) -> Iterator[None]:
        with self._file.words():
            try:
                yield
            except DBAPIError as error:
                if not isinstance(error.orig, sqlite3.Error):
                    raise
                raise self._file.as_journal_error(error.orig) from error

    def close(self) -> None:
        self.engine.dispose()

    def _make_writer(self) -> sql.Engine:
        url = sql.URL.create("sqlite", database=str(self._file.path))
        engine = sql.create_engine(url, connect_args={"timeout": self._file.patience})
        event.listen(engine, "connect", _configure_writer)
        event.listen(engine, "begin", _begin)
        return engine

    def _make_reader(self) -> sql.Engine:
        connect = self._file.connect_reader
        return sql.create_engine("sqlite://", creator=connect, poolclass=pool.NullPool)


def _configure_writer(connection: Any, _record: object) -> None:
    # Otherwise sqlite3 begins transactions by itself: late, and without excluding other writers.
    connection.isolation_level = None
    _enable_write_ahead_log(connection)
    connection.execute("PRAGMA synchronous=FULL")  # NORMAL may lose the newest rows in a power cut


def _enable_write_ahead_log(connection: Any) -> None:
    """Switch the file to write-ahead logging.

    When several processes switch a new file at the same time, SQLite refuses all but one of them
    immediately, whatever their time-out. So this tries again.
    """
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


def _create_file(path: Path) -> None:
    """Create an empty file and its folders, for their owner only, and sync them to disk."""
    try:
        for folder in reversed([folder for folder in path.parents if not folder.exists()]):
            folder.mkdir(mode=0o700, exist_ok=True)
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
        folder_handle = os.open(path.parent, os.O_RDONLY)
        os.fsync(folder_handle)
        os.close(folder_handle)
    except OSError as error:
        raise JournalError(f"the journal {path} cannot be created: {error.strerror}") from error
