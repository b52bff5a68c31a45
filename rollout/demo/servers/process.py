"""Runs child processes that never outlive this one, each with a log and bounded waits."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from secrets import SystemRandom
from types import TracebackType
from typing import Self
from urllib.error import URLError
from urllib.request import ProxyHandler, build_opener

from rollout.errors import SurefootError

_POLL = 0.02
_PORTS = range(10_000, 30_000)
_DIRECT = build_opener(ProxyHandler({}))


class Running:
    """Something that stops when its context is left."""

    def stop(self) -> None:
        raise NotImplementedError

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()


class Process(Running):
    """A started command in its own process group; both outputs are appended to `log`.

    The kernel kills it when the thread that started it ends, for whatever reason (prctl(2),
    PR_SET_PDEATHSIG), so start it from the main thread. Raises SurefootError if it cannot start.
    """

    def __init__(self, name: str, command: Sequence[str], log: Path) -> None:
        self.name, self.log = name, log
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as out:
            try:
                self._popen = subprocess.Popen(
                    ["setpriv", "--pdeathsig", "KILL", *command],
                    stdin=subprocess.DEVNULL,
                    stdout=out,
                    stderr=out,
                    start_new_session=True,
                )
            except OSError as error:
                raise SurefootError(f"{name} cannot be started: {error}") from None

    @property
    def pid(self) -> int:
        return self._popen.pid

    @property
    def running(self) -> bool:
        return self._popen.poll() is None

    def tail(self, lines: int = 10) -> str:
        """Return the last lines of the log, indented for a message."""
        text = self.log.read_text(errors="replace").splitlines()[-lines:]
        return "\n".join(f"  {line}" for line in text)

    def wait_until(self, ready: Callable[[], bool], seconds: float = 15.0) -> Self:
        """Wait for `ready`; raise SurefootError with the log's end if it ends or takes too long."""
        for _ in range(round(seconds / _POLL)):
            if not self.running:
                code = self._popen.returncode
                raise SurefootError(f"{self.name} ended with code {code}:\n{self.tail()}")
            if ready():
                return self
            time.sleep(_POLL)
        raise SurefootError(f"{self.name} is not ready after {seconds:g} s:\n{self.tail()}")

    def stop(self, patience: float = 5.0) -> None:
        """Send SIGTERM, then SIGKILL after `patience` seconds; harmless if it has ended."""
        self._signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._popen.wait(patience)
        self.kill()

    def kill(self) -> None:
        """Send SIGKILL to the whole group, and wait for the end."""
        self._signal(signal.SIGKILL)
        self._popen.wait()

    def _signal(self, number: signal.Signals) -> None:
        # The group may have children after its leader was reaped, and while it has, its id is not
        # reused: the signal cannot reach another group.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, number)


def answers(url: str) -> bool:
    """Return whether a GET is answered with 200 within a second, bypassing any proxy."""
    try:
        with _DIRECT.open(url, timeout=1.0) as response:
            return bool(response.status == 200)
    except (URLError, OSError):
        return False


def free_ports(count: int) -> list[int]:
    """Return distinct free TCP ports on the loopback interface.

    They lie below those that Linux gives to outgoing connections (32768 to 60999, ip(7)), one of
    which could take a port before the server for which it is meant does. All sockets are open at
    once, so no port is returned twice. Raises SurefootError where too few are free.
    """
    ports: list[int] = []
    with contextlib.ExitStack() as stack:
        for port in SystemRandom().sample(_PORTS, len(_PORTS)):
            if len(ports) == count:
                return ports
            listener = socket.socket()
            try:
                listener.bind(("127.0.0.1", port))
            except OSError:
                listener.close()
                continue
            stack.enter_context(listener)
            ports.append(port)
    raise SurefootError(f"fewer than {count} ports of {_PORTS.start} to {_PORTS.stop - 1} are free")
