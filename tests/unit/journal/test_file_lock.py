"""One controller at a time, across processes."""

import os
import signal
import subprocess
import sys

import pytest

from rollout.errors import JournalBusyError, JournalError
from rollout.journal.file_lock import hold, holder, lock_file
from rollout.journal.sql.store import SqlJournal

HOLDER = """
import sys, time
from pathlib import Path
from rollout.journal.file_lock import hold
with hold(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def path(tmp_path):
    return tmp_path / "journal.db"


@pytest.fixture
def other(path):
    """Another process that holds the lock."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(path)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.wait()
    process.stdout.close()


def test_a_second_controller_is_refused_and_told_who_holds_it(path, other):
    with (
        pytest.raises(JournalBusyError, match=rf"another controller \(pid {other.pid}\) uses"),
        hold(path),
    ):
        pytest.fail("two controllers")
    assert holder(path) == other.pid


def test_the_kernel_frees_the_lock_of_a_killed_controller(path, other):
    other.send_signal(signal.SIGKILL)
    other.wait()
    assert holder(path) is None
    with hold(path):
        assert holder(path) == os.getpid()


def test_the_lock_is_free_after_use_and_when_the_work_fails(path):
    with pytest.raises(ZeroDivisionError), hold(path):
        _ = 1 / 0
    assert holder(path) is None
    with hold(path):
        pass


def test_asking_does_not_make_a_file_nor_take_the_lock(path):
    assert holder(path) is None
    assert not lock_file(path).exists()
    with hold(path):
        assert holder(path) == holder(path) == os.getpid()


def test_links_to_one_journal_share_its_lock(path, tmp_path):
    path.touch()
    link = tmp_path / "link.db"
    link.symlink_to(path)
    with hold(link):
        assert holder(path) == os.getpid()


def test_the_lock_file_is_its_owners(path):
    with hold(path):
        assert lock_file(path).stat().st_mode & 0o777 == 0o600


def test_a_lock_that_cannot_be_made_is_said(tmp_path):
    with pytest.raises(JournalError, match="cannot be opened"), hold(tmp_path / "no" / "j.db"):
        pass


def test_a_journal_locks_itself_and_others_may_still_append_and_read(path):
    deciding, commanding = SqlJournal(path), SqlJournal(path)
    with deciding.lock():
        with pytest.raises(JournalBusyError), commanding.lock():
            pass
        assert list(commanding.append([], after=0)) == []
        assert list(commanding.read()) == []
    deciding.close()
    commanding.close()


def test_a_lock_with_another_name_is_held_and_that_file_stays(tmp_path):
    journal, victim = tmp_path / "journal.db", tmp_path / "victim"
    victim.write_text("precious")
    lock_file(journal).hardlink_to(victim)
    with hold(journal), pytest.raises(JournalBusyError), hold(journal):
        pass
    assert victim.read_text() == "precious"


def test_a_lock_that_is_a_link_is_refused_and_its_target_stays(tmp_path):
    journal, victim = tmp_path / "journal.db", tmp_path / "victim"
    victim.write_text("precious")
    lock_file(journal).symlink_to(victim)
    with pytest.raises(JournalError, match="it is a link"), hold(journal):
        pass
    assert victim.read_text() == "precious"
    assert holder(journal) is None
