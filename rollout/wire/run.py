"""Builds what runs a controller: its meter, its pacer and its signal handlers."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from types import FrameType
from typing import TYPE_CHECKING

from rollout import __version__
from rollout.wire import clock

if TYPE_CHECKING:
    from rollout.metrics.meter import Meter
    from rollout.schedule import Pacer
    from rollout.tick.controller import Controller


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


def pacer(
    controller: Controller,
    rollouts: Sequence[str],
    on_problem: Callable[[str], None],
    meter: Meter | None = None,
) -> Pacer:
    """Return a pacer that ticks until these rollouts are terminal.

    It ticks at least twice a second and four times per look, so that looks and retries are prompt.
    """
    from rollout.schedule import Pacer

    states, tick = controller.states, controller.tick
    if meter is not None:
        tick = meter.around(tick, states, lambda: controller.head)
    shortest = min(states[rollout].plan.spec.interval for rollout in rollouts)
    return Pacer(
        tick,
        # An ended rollout may still have hooks to call.
        lambda: all(states[r].is_terminal and r not in controller.fleet.calls for r in rollouts),
        min(0.5, shortest / 4),
        on_problem,
    )


@contextmanager
def stop_on_signal(pacer: Pacer) -> Iterator[list[int]]:
    """Make SIGTERM and Ctrl-C end the run after the current tick; yield the signals that came."""
    signals = (signal.SIGINT, signal.SIGTERM)
    received: list[int] = []

    def stop(number: int, _frame: FrameType | None) -> None:
        received.append(number)
        pacer.stop()

    before = {number: signal.signal(number, stop) for number in signals}
    try:
        yield received
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
