"""Builds what runs a controller: its meter, its pacer and its signal handlers."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from types import FrameType
from typing import TYPE_CHECKING

from rollout import __version__
from rollout.errors import FAILED, INTERRUPTED
from rollout.wire import clock

if TYPE_CHECKING:
    from rollout.metrics.meter import Meter
    from rollout.schedule import Pacer
    from rollout.tick.agenda import Agenda

STOP_WITHIN = 5.0  # seconds
_TELLING = 0.5  # seconds


@contextmanager
def open_meter(port: int | None, address: str) -> Iterator[Meter]:
    """Open a meter for one controller, and serve it over HTTP if a port is given.

    Raises InputError if the address or port cannot be used.
    """
    from rollout.metrics.meter import Meter

    meter = Meter(__version__, clock.SystemClock().now, time.perf_counter)
    with ExitStack() as stack:
        if port is not None:
            from rollout.metrics.door import serving

            stack.enter_context(serving(meter, address, port))
        yield meter


def pacer(agenda: Agenda, on_problem: Callable[[str], None], meter: Meter | None = None) -> Pacer:
    """Return a pacer that ticks until an agenda is done.

    It ticks at least twice a second and four times per look, so that looks and retries are prompt.
    """
    from rollout.schedule import Pacer

    controller, tick = agenda.controller, agenda.tick
    if meter is not None:
        states, count_attempts = controller.states, controller.count_attempts
        tick = meter.around(tick, states, lambda: controller.head, count_attempts)
    plans = [controller.states[r].plan for r in {*agenda.rollouts, *controller.active}]
    intervals = (plan.spec.interval for plan in [*plans, *agenda.waiting])
    return Pacer(tick, agenda.is_done, min([0.5, *(every / 4 for every in intervals)]), on_problem)


@dataclass
class StopSignals:
    """The signals that asked the process to stop, and the pacer that they end.

    Whatever hangs then, a tick, a journal or a thread, is left after `STOP_WITHIN`: an effect is
    recorded before it acts and read back after a start, so this is no more than a death.
    """

    received: list[int] = field(default_factory=list)
    _pacer: Pacer | None = None
    _leave: threading.Timer | None = None

    def end(self, pacer: Pacer) -> None:
        """Let signals end a pacer after its tick under way; one that came already does at once."""
        self._pacer = pacer
        if self.received:
            pacer.stop()

    def hear(self, number: int, _frame: FrameType | None) -> None:
        """Handle a signal."""
        self.received.append(number)
        if self._pacer is not None:
            self._pacer.stop()
        if self._leave is None:
            self._leave = threading.Timer(STOP_WITHIN, _leave, [number])
            self._leave.daemon = True
            self._leave.start()

    def close(self) -> None:
        """Do not leave any more: all has ended."""
        if self._leave is not None:
            self._leave.cancel()


def _leave(number: int) -> None:
    teller = threading.Thread(target=_tell_left, daemon=True)
    teller.start()
    teller.join(_TELLING)  # whoever reads our words may hang as well
    os._exit(INTERRUPTED if number == signal.SIGINT else FAILED)


def _tell_left() -> None:
    text = f"the tick under way was left after {STOP_WITHIN:g} s; the next start goes on from it\n"
    os.write(2, text.encode())
    sys.stdout.flush()  # entries that were printed


@contextmanager
def stop_on_signal() -> Iterator[StopSignals]:
    """Make SIGTERM and Ctrl-C end the run after the tick under way, and soon in any case."""
    stops, numbers = StopSignals(), (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.signal(number, stops.hear) for number in numbers}
    try:
        yield stops
    finally:
        stops.close()
        for number, handler in before.items():
            signal.signal(number, handler)
