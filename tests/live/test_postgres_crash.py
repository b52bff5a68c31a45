"""A controller killed on PostgreSQL: nothing is half there, and the next one may decide at once."""

import signal
import subprocess
import sys
import time
from contextlib import closing

import pytest

from rollout.errors import JournalBusyError
from rollout.journal.sql.store import SqlJournal
from tests.support.crashing import BATCH, check, start

pytestmark = pytest.mark.live
HOLDER = """
import sys, time
from rollout.journal.sql.store import SqlJournal
with SqlJournal(sys.argv[1]).lock():
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.mark.parametrize(
    ("point", "expected"), [("inserted", BATCH), ("committing", BATCH), ("committed", 2 * BATCH)]
)
def test_killed_at_a_chosen_point(server, point, expected):
    url = server.new()
    process = start(url, point)
    printed, _ = process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL
    assert printed == f"{BATCH}\n"
    check(url, expected, BATCH)


@pytest.mark.parametrize("pause", [0.0, 0.007, 0.031])
def test_killed_at_any_moment(server, pause):
    url = server.new()
    process = start(url, "never")
    assert process.stdout is not None
    first = process.stdout.readline()
    time.sleep(pause)
    process.kill()
    rest = process.communicate(timeout=60)[0]
    check(url, None, int((first + rest).splitlines()[-1]))


def test_the_server_frees_the_lock_of_a_killed_controller(server):
    url = server.new()
    with closing(SqlJournal(url)) as journal:
        command = [sys.executable, "-c", HOLDER, url]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "held\n"
            with pytest.raises(JournalBusyError, match=f"pid {process.pid} on"), journal.lock():
                pytest.fail("two controllers")
            process.kill()
        end = time.monotonic() + 60
        while journal.holder() is not None:
            assert time.monotonic() < end, "the lock was not freed"
            time.sleep(0.02)
        with journal.lock():
            assert journal.append([], after=0) == []
