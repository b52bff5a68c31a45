"""Child processes: started, awaited, stopped, and never left behind."""

import os
import signal
import socket
import subprocess
import sys
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest

from rollout.demo.servers import process
from rollout.demo.servers.process import Process, answers, free_ports
from rollout.errors import SurefootError

STUBBORN = "trap '' TERM; echo up; while true; do sleep 0.05; done"


def gone(pid):
    """Whether a process has ended, reaped or not."""
    stat = Path(f"/proc/{pid}/stat")
    return not stat.exists() or stat.read_text().rpartition(")")[2].split()[0] == "Z"


def wait(condition):
    until = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.01)


def test_leaving_the_context_stops_it(tmp_path):
    with Process("sleeper", ["sleep", "60"], tmp_path / "log") as process:
        assert process.running
    assert not process.running
    process.stop()


def test_one_that_ignores_sigterm_is_killed_with_its_children(tmp_path):
    log = tmp_path / "log"
    process = Process("stubborn", ["sh", "-c", f"sleep 60 & echo $!; {STUBBORN}"], log)
    process.wait_until(lambda: "up" in process.tail())
    child = int(log.read_text().split()[0])
    assert not gone(child)
    process.stop(patience=0.1)
    assert not process.running
    wait(lambda: gone(child))


def test_an_early_end_is_told_with_the_log(tmp_path):
    with (
        Process("broken", ["sh", "-c", "echo no such port; exit 3"], tmp_path / "log") as process,
        pytest.raises(SurefootError, match=r"broken ended with code 3:\n  no such port"),
    ):
        process.wait_until(lambda: False)


def test_a_late_start_is_told_with_the_log(tmp_path):
    with (
        Process("slow", ["sh", "-c", "echo waiting; sleep 60"], tmp_path / "log") as process,
        pytest.raises(SurefootError, match=r"slow is not ready after 0.3 s:\n  waiting"),
    ):
        process.wait_until(lambda: False, seconds=0.3)


def test_it_dies_with_a_parent_that_is_killed(tmp_path):
    code = (
        "import sys, time, pathlib; from rollout.demo.servers.process import Process\n"
        "child = Process('child', ['sleep', '60'], pathlib.Path(sys.argv[1]))\n"
        "print(child.pid, flush=True); time.sleep(60)"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "log")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        time.sleep(0.1)  # setpriv becomes the command
        assert not gone(child)
        os.kill(parent.pid, signal.SIGKILL)
    wait(lambda: gone(child))


def test_free_ports_are_distinct():
    assert len(set(free_ports(5))) == 5


def test_free_ports_are_not_those_of_outgoing_connections():
    assert all(port < 32_768 for port in free_ports(50))  # where Linux begins by default


def test_a_port_in_use_is_not_free(monkeypatch):
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
        monkeypatch.setattr(process, "_PORTS", range(port, port + 1))
        with pytest.raises(SurefootError, match="fewer than 1 ports"):
            free_ports(1)


def test_only_a_200_is_an_answer():
    class ReadyHandler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200 if self.path == "/ready" else 503)
            self.end_headers()

        def log_message(self, *_):
            pass

    with HTTPServer(("127.0.0.1", 0), ReadyHandler) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        url = f"http://127.0.0.1:{server.server_port}"
        assert answers(f"{url}/ready")
        assert not answers(f"{url}/other")
        server.shutdown()
        thread.join()
    assert not answers(f"{url}/ready")
