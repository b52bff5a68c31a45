"""A journal in an SQLite file.

One writer's transaction runs at a time, and it is on disk when it returns.
"""

from __future__ import annotations

import os
import sqlite3
import stat
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import sqlalchemy as sql
from sqlalchemy import event, pool
from sqlalchemy.exc import DBAPIError

from rollout.answers.plain_file import is_plain
from rollout.errors import InputError, JournalError
from rollout.journal import file_lock
from rollout.journal.location import resolve

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager

_TRIES, _PAUSE = 25, 0.02
_BESIDE = ("-wal", "-shm", "-journal")
_MESSAGES = {
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
    """A Database in a file. `patience` is the longest wait for another writer, in seconds."""

    may_be_empty = True  # a file without tables is a journal that another process is creating

    def __init__(self, path: Path, *, may_make: bool, patience: float) -> None:
        # Resolved, because SQLite puts the write-ahead log next to the file that a link points to.
        self.path, self._patience = resolve(path), patience
        if not self.path.exists():
            if not may_make:
                raise InputError(f"there is no journal at {self.path}")
            _create_file(self.path)
        if not is_plain(self.path.stat()):  # a pipe would be waited for without end
            kind = "a folder" if self.path.is_dir() else "no file"
            raise JournalError(f"the journal {self.path} is not a journal ({kind})")
        _check_beside(self.path)
        self.engine = self._make_reader()

    @property
    def name(self) -> str:
        return str(self.path)

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
            raise JournalError("is not a journal (another program's database)")

    def lock(self, *, instead: bool = False) -> AbstractContextManager[None]:
        del instead  # a file lock ends with its process, and nobody else can end it
        return file_lock.hold(self.path)

    def check_held(self) -> None:
        """Do nothing: a file lock is not lost while its process lives."""

    def check_writable(self) -> None:
        """Do nothing: the controller writes here itself and sees every failure."""

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
            raise _as_journal_error(self.path, cause) from error
        except UnicodeDecodeError as error:  # of the file's text, its schema's too
            raise JournalError(f"the journal {self.path} is damaged: {error.reason}") from error

    def close(self) -> None:
        self.engine.dispose()

    def _make_writer(self) -> sql.Engine:
        url = sql.URL.create("sqlite", database=str(self.path))
        engine = sql.create_engine(url, connect_args={"timeout": self._patience})
        event.listen(engine, "connect", _configure_writer)
        event.listen(engine, "begin", _begin)
        return engine

    def _make_reader(self) -> sql.Engine:
        return sql.create_engine("sqlite://", creator=self._connect_reader, poolclass=pool.NullPool)

    def _connect_reader(self) -> sqlite3.Connection:
        # Without a write-ahead log nobody writes. With `immutable`, SQLite then creates no files of
        # its own, which it would otherwise need even to read.
        immutable = "" if Path(f"{self.path}-wal").exists() else "&immutable=1"
        uri = f"file:{quote(str(self.path))}?mode=ro{immutable}"
        return sqlite3.connect(uri, uri=True, timeout=self._patience)


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


def _check_beside(path: Path) -> None:
    """Raise JournalError where what SQLite keeps beside the file is a link or no file.

    SQLite would write through the link, and wait for a pipe without end.
    """
    for beside in (Path(f"{path}{suffix}") for suffix in _BESIDE):
        try:
            mode = beside.lstat().st_mode
        except OSError:
            continue  # nothing is there, or it shows when it is used
        if not stat.S_ISREG(mode):
            kind = "a link" if stat.S_ISLNK(mode) else "no file"
            raise JournalError(f"the journal {path} cannot be used: {beside} is {kind}")


def _as_journal_error(path: Path, error: sqlite3.Error) -> JournalError:
    """Turn an SQLite error into a message for the user."""
    name = str(getattr(error, "sqlite_errorname", ""))  # such as SQLITE_IOERR_FSYNC
    kind = "_".join(name.split("_")[:2])
    return JournalError(f"the journal {path} {_MESSAGES.get(kind, f'failed: {error}')}")
