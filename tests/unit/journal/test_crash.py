"""A controller killed around an append: what was acknowledged is there, nothing is half there."""

import signal
import subprocess
import sys
import time

import pytest

from rollout.decide.facts import HumanSaid
from rollout.journal.files import open_for_reading
from rollout.journal.record import verify
from rollout.journal.store import SqlJournal

BATCH = 3
WRITER = """
import os, signal, sys
from sqlalchemy import event
from rollout.decide.facts import HumanSaid
from rollout.journal.store import SqlJournal

path, point, batch = sys.argv[1], sys.argv[2], int(sys.argv[3])
journal = SqlJournal(path)
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


def start(path, point: str) -> "subprocess.Popen[str]":
    command = [sys.executable, "-c", WRITER, str(path), point, str(BATCH)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def check(path, expected: int | None, at_least: int) -> None:
    reader = open_for_reading(path)
    rows = reader.rows()
    reader.close()
    verify(rows)
    assert len(rows) % BATCH == 0
    assert len(rows) >= at_least
    assert expected in (None, len(rows))
    journal = SqlJournal(path)
    fact = HumanSaid(rollout="r", at=2.0, command="resume", actor="y")
    assert journal.append([fact], after=len(rows))[0].seq == len(rows) + 1
    assert len(journal.read()) == len(rows) + 1
    journal.close()


@pytest.mark.parametrize(
    ("point", "expected"), [("inserted", BATCH), ("committing", BATCH), ("committed", 2 * BATCH)]
)
def test_killed_at_a_chosen_point(tmp_path, point, expected):
    process = start(tmp_path / "j.db", point)
    printed, _ = process.communicate(timeout=30)
    assert process.returncode == -signal.SIGKILL
    assert printed == f"{BATCH}\n"
    check(tmp_path / "j.db", expected, BATCH)


@pytest.mark.parametrize("pause", [0.0, 0.003, 0.011, 0.029])
def test_killed_at_any_moment(tmp_path, pause):
    process = start(tmp_path / "j.db", "never")
    assert process.stdout is not None
    first = process.stdout.readline()
    time.sleep(pause)
    process.kill()
    rest = process.communicate(timeout=30)[0]
    acknowledged = (first + rest).splitlines()
    check(tmp_path / "j.db", None, int(acknowledged[-1]))
