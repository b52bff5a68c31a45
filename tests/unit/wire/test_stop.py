"""A stop ends a run, whatever hangs: a tick, or what is closed after it."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

_RUN = """
import threading
from rollout.schedule import Pacer
from rollout.wire import run

run.STOP_WITHIN = 0.3

def hang():
    print("begun", flush=True)
    threading.Event().wait()

def tick():
    if {is_tick_hung}:
        hang()

with run.stop_on_signal() as stops:
    pacer = Pacer(tick, lambda: False, 0.05, print)
    stops.end(pacer)
    if not {is_tick_hung}:
        print("begun", flush=True)
    pacer.run()
    if {is_close_hung}:
        hang()
print("closed", flush=True)
"""


@pytest.mark.parametrize(
    ("hung", "number", "code", "last_line"),
    [
        ("tick", signal.SIGTERM, 1, ""),
        ("tick", signal.SIGINT, 130, ""),
        ("close", signal.SIGTERM, 1, "begun"),
        ("nothing", signal.SIGTERM, 0, "closed"),
    ],
)
def test_a_stop_ends_a_run_whatever_hangs(hung, number, code, last_line):
    text = _RUN.format(is_tick_hung=hung == "tick", is_close_hung=hung == "close")
    command = [sys.executable, "-c", text]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as running:
        assert running.stdout is not None
        assert running.stdout.readline() == "begun\n"
        running.send_signal(number)
        output, problems = running.communicate(timeout=60)
    assert running.returncode == code
    assert output.strip() == last_line
    assert ("was left" in problems) == (hung != "nothing")
