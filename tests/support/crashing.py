"""A process that is killed around an append, and what must be left of its journal."""

from __future__ import annotations

import subprocess
import sys

from rollout.decide.record.facts import HumanSaid
from rollout.journal.hash_chain import verify
from rollout.journal.location import JournalLocation
from rollout.journal.open import open_for_reading
from rollout.journal.sql.store import SqlJournal

BATCH = 3
WRITER = """
import os, signal, sys
from sqlalchemy import event
from rollout.decide.record.facts import HumanSaid
from rollout.journal.sql.store import SqlJournal

where, point, batch = sys.argv[1], sys.argv[2], int(sys.argv[3])
journal = SqlJournal(where)
facts = [HumanSaid(rollout="r", at=1.0, command="pause", actor="x" * 500)] * batch

def die(*_):
    os.kill(os.getpid(), signal.SIGKILL)

seq = journal.append(facts, after=0)[-1].seq
print(seq, flush=True)
if point == "inserted":
    event.listen(journal.database.engine, "after_cursor_execute",
                 lambda *a: die() if a[2].startswith("INSERT") else None)
if point == "committing":
    event.listen(journal.database.engine, "commit", die)
while True:
    seq = journal.append(facts, after=seq)[-1].seq
    if point == "committed":
        die()
    print(seq, flush=True)
"""


def start(journal: JournalLocation, point: str) -> subprocess.Popen[str]:
    """A process that appends until it kills itself at a point, or is killed."""
    command = [sys.executable, "-c", WRITER, str(journal), point, str(BATCH)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def check(journal: JournalLocation, expected: int | None, at_least: int) -> None:
    """What is there is whole, holds what was acknowledged, and can be continued."""
    reader = open_for_reading(journal)
    rows = reader.rows()
    reader.close()
    verify(rows)
    assert len(rows) % BATCH == 0
    assert len(rows) >= at_least
    assert expected in (None, len(rows))
    writer = SqlJournal(journal)
    fact = HumanSaid(rollout="r", at=2.0, command="resume", actor="y")
    assert writer.append([fact], after=len(rows))[0].seq == len(rows) + 1
    assert len(writer.read()) == len(rows) + 1
    writer.close()
