"""An SQLite file as a journal's: which file it may be, a connection that reads, errors in words."""

from __future__ import annotations

import sqlite3
import stat
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from rollout.answers.plain_file import is_plain
from rollout.errors import JournalError
from rollout.journal.location import resolve

if TYPE_CHECKING:
    from collections.abc import Iterator

OTHERS = "is not a journal (another program's database)"
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


class PlainFile:
    """An existing file. `patience` is the longest wait for another writer, in seconds.

    The constructor raises JournalError for a folder, a pipe, or links beside the file.
    """

    def __init__(self, path: Path, *, patience: float) -> None:
        # Resolved, because SQLite puts the write-ahead log next to the file that a link points to.
        self.path, self.patience = resolve(path), patience
        if not is_plain(self.path.stat()):  # a pipe would be waited for without end
            kind = "a folder" if self.path.is_dir() else "no file"
            raise JournalError(f"the journal {self.path} is not a journal ({kind})")
        _check_beside(self.path)

    def connect_reader(self) -> sqlite3.Connection:
        """Open a connection that cannot write."""
        # Without a write-ahead log nobody writes. With `immutable`, SQLite then creates no files of
        # its own, which it would otherwise need even to read.
        immutable = "" if Path(f"{self.path}-wal").exists() else "&immutable=1"
        uri = f"file:{quote(str(self.path))}?mode=ro{immutable}"
        return sqlite3.connect(uri, uri=True, timeout=self.patience)

    @contextmanager
    def words(self) -> Iterator[None]:
        """Turn SQLite's errors into JournalError."""
        try:
            yield
        except sqlite3.Error as error:
            raise self.as_journal_error(error) from error
        except UnicodeDecodeError as error:  # of the file's text, its schema's too
            raise JournalError(f"the journal {self.path} is damaged: {error.reason}") from error

    def as_journal_error(self, error: sqlite3.Error) -> JournalError:
        """Turn an SQLite error into a message for the user."""
        name = str(getattr(error, "sqlite_errorname", ""))  # such as SQLITE_IOERR_FSYNC
        kind = "_".join(name.split("_")[:2])
        return JournalError(f"the journal {self.path} {_MESSAGES.get(kind, f'failed: {error}')}")


def _check_beside(path: Path) -> None:
    """Raise JournalError where what SQLite keeps beside the file is a link or no file.

    SQLite would write through the link, and wait for a pipe without end.
    """
    for beside in (Path(f"{path}{suffix}") for suffix in _BESIDE):
        try:
            status = beside.lstat()
        except OSError:
            continue  # nothing is there, or it shows when it is used
        if not stat.S_ISREG(status.st_mode):
            kind = "a link" if stat.S_ISLNK(status.st_mode) else "no file"
            raise JournalError(f"the journal {path} cannot be used: {beside} is {kind}")
        if status.st_nlink > 1:
            raise JournalError(f"the journal {path} cannot be used: {beside} has another name too")
