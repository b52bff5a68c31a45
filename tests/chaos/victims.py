"""The servers of a real rollout: each can be stopped for a while, or killed and started again."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from tests.live.pipeline import ControllerProcess, PipelineStage
from tests.live.postgres import LocalPostgres


@dataclass(frozen=True)
class Victim:
    """One server: the id of its process now, how it is started again, and how it is told to end."""

    pid: Callable[[], int]
    start: Callable[[], None]
    finish: Callable[[], None] = lambda: None

    def end(self, seconds: float) -> None:
        """Let it end as it does by itself, and start it again after a while."""
        self.finish()
        time.sleep(seconds)
        self.start()

    def stop(self, seconds: float) -> None:
        """Let it stand still, with all that it has started."""
        family = find_family(self.pid())
        send(family, signal.SIGSTOP)
        time.sleep(seconds)
        send(family, signal.SIGCONT)

    def kill(self, seconds: float) -> None:
        """Kill it, and start it again after a while."""
        send([self.pid()], signal.SIGKILL)
        time.sleep(seconds)
        self.start()


class SupervisedRun:
    """`surefoot run` on a journal in PostgreSQL, started again by us as a supervisor does."""

    def __init__(self, plan: Path, journal: str) -> None:
        self.run = ControllerProcess(plan, journal=journal)
        self.starts = 1

    def start(self) -> None:
        """Start it again, unless it has ended by itself."""
        self.run.process.kill()  # reaps it
        self.run = self.run.again()
        self.starts += 1

    def revive(self) -> None:
        """Start it again where it has died or given up."""
        if not self.run.process.running and self.run.process._popen.returncode not in {0, 1}:
            self.start()


def list_victims(
    stage: PipelineStage, database: LocalPostgres, controller: SupervisedRun
) -> Mapping[str, Victim]:
    """Return every server that a fault may hit, by name."""
    return {
        "Prometheus": Victim(lambda: stage.prometheus.process.pid, stage.start_prometheus),
        "Envoy": Victim(lambda: stage.envoy.process.pid, stage.start_envoy),
        "PostgreSQL": Victim(lambda: database.process.pid, database.start),
        "the controller": Victim(lambda: controller.run.process.pid, controller.start),
    }


def find_family(pid: int) -> list[int]:
    """Return a process and its children: those of PostgreSQL are in groups of their own."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *map(int, children)]


def send(pids: list[int], number: signal.Signals) -> None:
    """Send a signal to processes that we have started; one that has ended needs none."""
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, number)
