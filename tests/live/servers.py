"""The servers that tests have started: a test that fails shows the last lines of one that died."""

from __future__ import annotations

import signal

from rollout.demo.servers.process import Process

_started: dict[str, Process] = {}


def register(process: Process) -> Process:
    """Remember a server by its log; a restart takes the place of the one before."""
    _started[str(process.log)] = process
    return process


def last_words() -> list[tuple[str, str]]:
    """The name and the end of the log of every server that was started and died.

    One that ended well, or by the signal of its own end (SIGTERM), did not.
    """
    return [
        (f"{process.name} does not run any more; the end of {process.log}", process.tail(20))
        for process in _started.values()
        if not process.running and process._popen.returncode not in (0, -signal.SIGTERM)
    ]
