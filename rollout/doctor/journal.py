"""Check that the journal can be written and that no other controller holds it."""

from __future__ import annotations

import os
from pathlib import Path

from rollout.decide.record.write_id import WriteId
from rollout.doctor.finding import Finding, Level
from rollout.errors import SurefootError
from rollout.journal.entry_id import find_chain
from rollout.journal.jsonl import RECORDING, LinesJournal
from rollout.journal.location import JournalLocation, is_url, shown
from rollout.journal.open import open_for_reading


def of_journal(where: JournalLocation, *, carried_out: bool = False) -> Finding:
    """Check the journal at a path or URL, without creating or changing anything.

    `carried_out` says that a controller already runs the plans in question. That controller is
    then expected to hold the journal, so the check does not warn about it.
    """
    if not is_url(where):
        path = Path(where)
        if path.suffix == RECORDING and not path.exists():
            fix = "name a journal (any other ending), or an export that exists"
            return _build_finding(path, "fail", "no run creates an export", fix)
        if not path.exists():
            return _check_creatable(path)
        # SQLite writes its own files next to the database, so the folder must be writable too.
        if not (os.access(path, os.W_OK) and os.access(path.parent, os.W_OK | os.X_OK)):
            fix = f"give write access to {path.parent}"
            return _build_finding(path, "fail", "it cannot be written", fix)
    try:
        return _check_existing(where, carried_out=carried_out)
    except SurefootError as error:
        return _build_finding(
            where, "fail", str(error), "restore it from a backup, or name another journal"
        )


def has_decision(where: JournalLocation, write_id: str) -> bool | None:
    """Return whether the journal has the decision that a write id names; None without a journal."""
    named = WriteId.parse(write_id)
    if named is None or (not is_url(where) and not Path(where).exists()):
        return None
    try:
        journal = open_for_reading(where)
    except SurefootError:
        return None
    try:
        newer = journal.read(named.decision - 1)
        is_others = named.chain not in {"", find_chain(journal)}
    except SurefootError:
        return None
    finally:
        journal.close()
    if is_others or not newer:
        return False
    return (newer[0].fact.rollout, newer[0].seq) == (named.rollout, named.decision)


def _check_existing(where: JournalLocation, *, carried_out: bool) -> Finding:
    """Read the whole journal, which verifies its hash chain, and ask who holds it."""
    journal = open_for_reading(where)
    try:
        if isinstance(journal, LinesJournal):
            return _build_finding(
                where, "fail", "an export is read-only", "name a journal that can be written"
            )
        entries, holder = len(journal.read()), journal.holder()
    finally:
        journal.close()
    if holder is not None and carried_out:
        return _build_finding(
            where, "ok", f"{entries:,} entries, hash chain intact, in use by {holder}"
        )
    if holder is not None:
        fix = "keep that controller, or stop it before you start another"
        return _build_finding(where, "warn", f"another controller ({holder}) uses it", fix)
    return _build_finding(
        where, "ok", f"{entries:,} entries, hash chain intact, no controller uses it"
    )


def _check_creatable(path: Path) -> Finding:
    """Check that a journal can be created; opening it creates missing parent folders too."""
    folder = next(parent for parent in path.absolute().parents if parent.exists())
    if os.access(folder, os.W_OK | os.X_OK):
        return _build_finding(path, "ok", "the first run creates it")
    return _build_finding(path, "fail", "it cannot be created", f"give write access to {folder}")


def _build_finding(where: JournalLocation, level: Level, message: str, fix: str = "") -> Finding:
    return Finding("journal", shown(where), level, message, fix)
