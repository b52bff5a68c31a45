"""Open a journal for reading or for commands, without a controller."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from rollout.errors import InputError
from rollout.journal.jsonl import RECORDING, LinesJournal
from rollout.journal.location import JournalLocation, is_url

if TYPE_CHECKING:
    from rollout.journal.sql.reader import SqliteReader
    from rollout.journal.sql.store import SqlJournal


def exists(where: JournalLocation) -> bool:
    """Return whether there is a file at a path; a database is always taken for there."""
    return is_url(where) or Path(where).exists()


def open_for_reading(where: JournalLocation) -> SqlJournal | SqliteReader | LinesJournal:
    """Open a journal at a path or URL, or a recording (`.jsonl`); create and change nothing.

    Raises InputError when it does not exist, JournalError when it is not a journal.
    """
    if not exists(where):
        raise InputError(f"there is no journal at {where}")
    if not is_url(where):
        if Path(where).suffix == RECORDING:
            return LinesJournal(where)
        from rollout.journal.sql.reader import SqliteReader

        return SqliteReader(Path(where))
    from rollout.journal.sql.store import SqlJournal

    return SqlJournal(where, readonly=True)


def open_for_commands(where: JournalLocation) -> SqlJournal:
    """Open a journal at a path or URL to append a user's commands; never create one.

    Raises InputError when it does not exist or is a recording, JournalError when it is not a
    journal.
    """
    from rollout.journal.sql.store import open_journal

    return open_journal(where, create=False)
