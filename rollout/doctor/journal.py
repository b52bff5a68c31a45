"""Whether the journal can be written and is free."""

from __future__ import annotations

import os
from pathlib import Path

from rollout.doctor.finding import Finding, Level
from rollout.errors import SurefootError
from rollout.journal.jsonl import LinesJournal
from rollout.journal.location import JournalLocation, is_url, shown
from rollout.journal.open import open_for_reading


def of_journal(where: JournalLocation, *, carried_out: bool = False) -> Finding:
    """The journal at a path or URL; makes and changes nothing.

    Where the plans in question are being carried out, the controller that does so holds it.
    """
    if not is_url(where):
        path = Path(where)
        if not path.exists():
            return _new(path)
        if not (os.access(path, os.W_OK) and os.access(path.parent, os.W_OK | os.X_OK)):
            fix = f"give write access to {path.parent}"
            return _found(path, "fail", "it cannot be written", fix)
    try:
        return _opened(where, carried_out=carried_out)
    except SurefootError as error:
        return _found(
            where, "fail", str(error), "restore it from a backup, or name another journal"
        )


def _opened(where: JournalLocation, *, carried_out: bool) -> Finding:
    journal = open_for_reading(where)
    try:
        if isinstance(journal, LinesJournal):
            return _found(where, "fail", "a recording is only read", "name another journal")
        entries, holder = len(journal.read()), journal.holder()
    finally:
        journal.close()
    if holder is not None and carried_out:
        return _found(
            where, "ok", f"{entries} entries, unbroken, and a controller ({holder}) writes"
        )
    if holder is not None:
        fix = "let that one go on, or stop it before another starts"
        return _found(where, "warn", f"another controller ({holder}) holds it", fix)
    return _found(where, "ok", f"{entries} entries, unbroken, and free")


def _new(path: Path) -> Finding:
    folder = next(each for each in path.absolute().parents if each.exists())
    if os.access(folder, os.W_OK | os.X_OK):
        return _found(path, "ok", "it will be made")
    return _found(path, "fail", "it cannot be made", f"give write access to {folder}")


def _found(where: JournalLocation, level: Level, said: str, fix: str = "") -> Finding:
    return Finding("journal", shown(where), level, said, fix)
