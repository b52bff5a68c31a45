"""Whether the journal can be written and is free."""

from __future__ import annotations

import os
from pathlib import Path

from rollout.doctor.finding import Finding, Level
from rollout.errors import SurefootError
from rollout.journal.files import open_for_reading
from rollout.journal.lock import holder


def of_journal(path: Path) -> Finding:
    """The journal at a path; makes and changes nothing."""
    if not path.exists():
        return _new(path)
    try:
        journal = open_for_reading(path)
        try:
            entries = len(journal.read())
        finally:
            journal.close()
    except SurefootError as error:
        return _found(path, "fail", str(error), "restore it from a backup, or name another journal")
    if not (os.access(path, os.W_OK) and os.access(path.parent, os.W_OK | os.X_OK)):
        return _found(path, "fail", "it cannot be written", f"give write access to {path.parent}")
    if (pid := holder(path)) is not None:
        said = f"a controller (pid {pid or 'unknown'}) holds it"
        return _found(path, "warn", said, "let that one go on, or stop it before another starts")
    return _found(path, "ok", f"{entries} entries, unbroken, and free")


def _new(path: Path) -> Finding:
    folder = next(each for each in path.absolute().parents if each.exists())
    if os.access(folder, os.W_OK | os.X_OK):
        return _found(path, "ok", "it will be made")
    return _found(path, "fail", "it cannot be made", f"give write access to {folder}")


def _found(path: Path, level: Level, said: str, fix: str = "") -> Finding:
    return Finding("journal", str(path), level, said, fix)
