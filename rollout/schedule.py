"""The one door to APScheduler: a tick at a steady pace, never two at once, late ones caught up."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from datetime import UTC, datetime

from apscheduler.schedulers.background import BackgroundScheduler

from rollout.errors import SurefootError


class Pacer:
    """Runs `tick` every `period` seconds until `done`, an unexpected error, or `stop`.

    An expected error (a journal that cannot be written, say) is told to `on_problem` and the next
    tick tries again: nothing was done that is not recorded. Any other error ends the run, because a
    dead controller leaves the last weights in place and a confused one may not.
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
        """Block until it is over. Raises what a tick raised unexpectedly."""
        # A tick that outlasts the period makes the next one skip; that is meant, not worth a line.
        logging.getLogger("apscheduler").setLevel(logging.ERROR)
        scheduler = BackgroundScheduler(timezone="UTC")
        scheduler.add_job(
            self._once,
            "interval",
            seconds=self._period,
            misfire_grace_time=None,
            coalesce=True,
            max_instances=1,
            next_run_time=datetime.now(UTC),  # noqa: TID251 - the first tick is due at once
        )
        scheduler.start()
        try:
            self._over.wait()
        finally:
            scheduler.shutdown(wait=True)
        if self._error is not None:
            raise self._error

    def stop(self) -> None:
        """End after the tick under way."""
        self._over.set()

    def _once(self) -> None:
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
