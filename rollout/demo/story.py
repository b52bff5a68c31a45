"""Runs the demo's story on real servers: a good version, then a bad one."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rollout.demo.stage import Stage
from rollout.plan.reading.files import load_file
from rollout.ports import Entry
from rollout.tick.agenda import Agenda
from rollout.wire.clock import SystemClock
from rollout.wire.controller import open_controller
from rollout.wire.run import pacer

if TYPE_CHECKING:
    from rollout.schedule import Pacer


@dataclass(frozen=True)
class Chapter:
    """One rollout of the story and its outcome; times in seconds."""

    stable: str
    canary: str
    expected: str
    outcome: str
    sentence: str
    from_start: float
    from_first_request: float | None

    @property
    def as_expected(self) -> bool:
        return self.outcome == self.expected


@dataclass
class DemoStory:
    """Two rollouts, one after the other.

    `show` is called repeatedly while a rollout runs, `heard` for each journal entry, `problem` for
    each problem of a tick.
    """

    stage: Stage
    bad: str
    show: Callable[[str], None]
    heard: Callable[[Entry], None]
    problem: Callable[[str], None]

    @property
    def journal(self) -> Path:
        return self.stage.folder / "journal.db"

    def tell(self) -> list[Chapter]:
        """Run both rollouts; the second only if the first promoted its canary."""
        started_at = SystemClock().now()
        self.stage.load()
        chapters = [self._run_rollout("v1", "v2", "promoted", started_at)]
        if chapters[0].as_expected:
            self.stage.retire("v1")
            self.stage.serve("v3", self.bad, wait=True)
            expected = "promoted" if self.bad == "none" else "rolled back"
            chapters.append(self._run_rollout("v2", "v3", expected, SystemClock().now()))
        return chapters

    def _run_rollout(self, stable: str, canary: str, expected: str, started_at: float) -> Chapter:
        plans = load_file(self.stage.plan(stable, canary))
        with open_controller(self.journal) as controller:
            controller.catch_up()
            controller.on_entry = self.heard
            agenda = Agenda(controller)
            agenda.begin(plans)
            (rollout,) = agenda.rollouts
            pace = pacer(agenda, self.problem)
            self._run_in_thread(pace, f"{stable} -> {canary}")
            state = controller.states[rollout]
        now, first = SystemClock().now(), state.first_canary_at
        return Chapter(
            stable,
            canary,
            expected,
            state.phase,
            state.explanation.sentence if state.explanation else "",
            now - started_at,
            None if first is None else now - first,
        )

    def _run_in_thread(self, pacer: Pacer, title: str) -> None:
        """Tick in a thread, so that the screen stays live and Ctrl-C works at once."""
        errors: list[BaseException] = []

        def work() -> None:
            try:
                pacer.run()
            except BaseException as error:  # noqa: BLE001 - raised below, in the main thread
                errors.append(error)

        thread = threading.Thread(target=work, name="controller")
        thread.start()
        try:
            while thread.is_alive():
                self.show(title)
                thread.join(0.4)
        finally:
            pacer.stop()
            thread.join()
        if errors:
            raise errors[0]
