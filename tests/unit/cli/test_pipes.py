"""What is no file where a file is expected is refused at once: nobody waits for a pipe."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from rollout.errors import JournalError, ObserveError
from rollout.journal import file_lock
from rollout.journal.sql.store import open_journal
from rollout.observe.access.credentials import Accesses
from rollout.observe.access.model import Access
from rollout.plan.model.prometheus import PrometheusServer
from tests.support.plan_text import GOOD

ROOT = Path(__file__).parents[3]
PATIENCE = 60.0  # seconds: a command that waits for a pipe waits for ever


def make_pipe(path: Path) -> None:
    os.mkfifo(path)


def make_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        here = Path.cwd()
        os.chdir(path.parent)  # a socket's name may not be long
        try:
            server.bind(path.name)
        finally:
            os.chdir(here)


def make_device(path: Path) -> None:
    path.symlink_to("/dev/zero")


MAKERS = [make_pipe, make_socket, make_device, Path.mkdir]


@pytest.mark.parametrize("make", MAKERS)
@pytest.mark.parametrize("name", ["journal.db", "journal.jsonl"])
@pytest.mark.parametrize("command", ["status", "log"])
def test_a_journal_that_is_no_file_is_refused(tmp_path, make, name, command):
    make(tmp_path / name)
    words = [sys.executable, "-m", "rollout.cli", command, "--journal", str(tmp_path / name)]
    done = subprocess.run(
        words, cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE, check=False
    )
    assert done.returncode in {1, 2}, done.stdout
    assert "Traceback" not in done.stderr
    assert "no file" in done.stderr or "folder" in done.stderr or "cannot be" in done.stderr


@pytest.mark.parametrize("make", MAKERS)
def test_a_lock_that_is_no_file_is_refused_and_nobody_asks_it_for_long(tmp_path, make):
    path = tmp_path / "journal.db"
    with closing(open_journal(path)) as journal:
        make(file_lock.lock_file(path))
        with pytest.raises(JournalError, match=r"the lock .* cannot be opened"), journal.lock():
            pass
        journal.holder()


@pytest.mark.parametrize("make", MAKERS)
def test_a_secret_that_is_no_file_any_more_is_refused(tmp_path, make):
    """It is read at each request, under way."""
    make(tmp_path / "token")
    access = Access.model_validate(
        {"name": "team", "servers": ["http://prometheus:9090"], "bearer": {"tokenFile": "token"}}
    )
    server = PrometheusServer(url="http://prometheus:9090", access="team")
    asked = Accesses([access], tmp_path).resolve(server)
    with pytest.raises(ObserveError, match="cannot be"):
        asked.read_headers()


@pytest.mark.parametrize("command", ["check", "mesh check", "doctor", "run", "check --access"])
def test_a_file_that_is_a_pipe_without_a_writer_is_refused(tmp_path, command):
    make_pipe(tmp_path / "plan.yaml")
    words = [sys.executable, "-m", "rollout.cli", *command.split(), str(tmp_path / "plan.yaml")]
    if command.endswith("--access"):
        words += ["x.yaml"]
    done = subprocess.run(
        words, cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE, check=False
    )
    assert done.returncode == 2
    assert "nobody writes to this pipe" in done.stdout + done.stderr


def test_a_plan_that_a_shell_hands_over_is_checked(tmp_path):
    (tmp_path / "plan.yaml").write_text(GOOD)
    check = f"{sys.executable} -m rollout.cli check"
    words = ["bash", "-c", f"{check} <(cat {tmp_path}/plan.yaml)"]
    done = subprocess.run(
        words, cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE, check=False
    )
    assert (done.returncode, "1 file checked, no mistakes" in done.stdout) == (0, True)
