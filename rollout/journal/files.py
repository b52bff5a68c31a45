"""Journals opened without a controller; how their files are made, and what is wrong with them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from rollout.errors import InputError, JournalError
from rollout.journal.lines import RECORDING, LinesJournal
from rollout.journal.place import Where, is_url

if TYPE_CHECKING:
    import sqlite3

    from rollout.journal.store import SqlJournal

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


def open_for_reading(where: Where) -> SqlJournal | LinesJournal:
    """The journal at a path or URL, or a recording (`.jsonl`); makes and changes nothing.

    Raises InputError when it is not there, JournalError when it is no journal.
    """
    if not is_url(where):
        if not Path(where).exists():
            raise InputError(f"there is no journal at {where}")
        if Path(where).suffix == RECORDING:
            return LinesJournal(where)
    from rollout.journal.store import SqlJournal

    return SqlJournal(where, readonly=True)


def open_for_commands(where: Where) -> SqlJournal:
    """The journal at a path or URL, for appending what a person said; never makes one.

    Raises InputError when it is not there or is a recording, JournalError when it is no journal.
    """
    from rollout.journal.store import open_journal

    return open_journal(where, create=False)


def make(path: Path) -> None:
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


def explained(path: Path, error: sqlite3.Error) -> JournalError:
    """What SQLite said, in words for the user."""
    name = str(getattr(error, "sqlite_errorname", ""))  # such as SQLITE_IOERR_FSYNC
    kind = "_".join(name.split("_")[:2])
    return JournalError(f"the journal {path} {_WORDS.get(kind, f'failed: {error}')}")
