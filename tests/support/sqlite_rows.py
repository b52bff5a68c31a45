"""A story's journal in a real SQLite file: the production store appends to it and reads it.

An older backup, and a row that a disk altered,
are another file in its place: the tables let nobody delete or change a row.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from rollout.decide.record.facts import Fact
from rollout.journal.hash_chain import Row
from rollout.journal.sql import tables
from rollout.journal.sql.store import SqlJournal
from rollout.ports import Entry


class SqliteRows:
    """The rows of one journal, in a file."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._files = 0
        self._journal = self._open()

    def append(self, facts: Sequence[Fact], after: int) -> tuple[list[Entry], list[Row]]:
        """Append as production does; return the entries and their rows."""
        entries = self._journal.append(facts, after)
        return entries, self._journal.rows(after)

    def rows(self, after: int) -> list[Row]:
        """Return the verified rows after an entry. Raises JournalError."""
        return self._journal.rows(after)

    def close(self) -> None:
        """Close every connection."""
        self._journal.close()

    def put_in_place(self, rows: Sequence[Row]) -> None:
        """Let somebody put another file in the place of the journal, whatever its rows are."""
        self._journal.close()
        self._journal = self._open()
        if not rows:
            return
        columns = []
        for row in rows:
            fact = json.loads(row.text)
            copied = {"at": fact["at"], "rollout": fact["rollout"], "kind": fact["kind"]}
            columns.append({**copied, **vars(row)})
        with self._journal.database.writing() as connection:
            connection.execute(tables.INSERT, columns)

    def _open(self) -> SqlJournal:
        self._files += 1
        return SqlJournal(self._folder / f"journal-{self._files}.db")
