"""Journals opened without a controller."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from rollout.errors import InputError
from rollout.journal.jsonl import RECORDING, LinesJournal
from rollout.journal.location import JournalLocation, is_url

if TYPE_CHECKING:
    from rollout.journal.sql.store import SqlJournal


def open_for_reading(where: JournalLocation) -> SqlJournal | LinesJournal:
    """The journal at a path or URL, or a recording (`.jsonl`); makes and changes nothing.

    Raises InputError when it is not there, JournalError when it is no journal.
    """
    if not is_url(where):
        if not Path(where).exists():
            raise InputError(f"there is no journal at {where}")
        if Path(where).suffix == RECORDING:
            return LinesJournal(where)
    from rollout.journal.sql.store import SqlJournal

    return SqlJournal(where, readonly=True)


def open_for_commands(where: JournalLocation) -> SqlJournal:
    """The journal at a path or URL, for appending what a person said; never makes one.

    Raises InputError when it is not there or is a recording, JournalError when it is no journal.
    """
    from rollout.journal.sql.store import open_journal

    return open_journal(where, create=False)
