"""Runs a tick at a steady pace, never two at once; the only user of APScheduler."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from datetime import UTC, datetime

from apscheduler.schedulers.background import BackgroundScheduler

from rollout.errors import SurefootError

_NEVER = 1000  # weeks until a tick that nobody asked for
_LONG_DUE = datetime.fromtimestamp(0, UTC)  # however far the clock is set back


class Pacer:
    """Runs `tick` every `period` seconds until `done`, an unexpected error, or `stop`.

    An expected error (SurefootError, such as a journal that cannot be written) is passed to
    `on_problem`, and the next tick tries again: nothing was done that is not recorded. Any other
    error ends the run: a dead controller leaves the last weights in place, one with a wrong state
    may not.
    """

    def __init__(
        self,
        tick: Callable[[], None],
        done: Callable[[], bool],
        period: float,
        on_problem: Callable[[str], None],
    ) -> None:
        self._tick, self._done, self._period, self._on_problem = tick, done, period, on_problem
        self._over = threading.Event()
        self._error: BaseException | None = None

    def run(self) -> None:
        """Block until the run ends. Raises the unexpected error of a tick, if there was one."""
        # A tick longer than the period makes the scheduler skip the next one and warn. Skipping is
        # what we want, so the warning is silenced.
        logging.getLogger("apscheduler").setLevel(logging.ERROR)
        scheduler = BackgroundScheduler(timezone="UTC")
        job = scheduler.add_job(
            self._run_tick,
            "interval",
            weeks=_NEVER,
            misfire_grace_time=None,
            coalesce=True,
            max_instances=1,
        )
        scheduler.start()
        try:
            # The scheduler counts by the wall clock: set back, it would wait for as long. So the
            # pace is this wait's, which is monotonic, and each tick is due at once.
            while True:
                job.modify(next_run_time=_LONG_DUE)
                if self._over.wait(self._period):
                    break
        finally:
            scheduler.shutdown(wait=True)
        if self._error is not None:
            raise self._error

    def stop(self) -> None:
        """End the run after the current tick."""
        self._over.set()

    def _run_tick(self) -> None:
        if self._over.is_set():
            return
        try:
            self._tick()
            if self._done():
                self._over.set()
        except SurefootError as error:
            self._on_problem(str(error))
        except BaseException as error:  # noqa: BLE001 - carried to run(), which raises it
            self._error = error
            self._over.set()
