"""Runs work in background threads, so that slow requests never delay a rollback."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def run_in_background(
    name: str, work: Callable[[], None], period: float, on_problem: Callable[[str], None]
) -> Iterator[None]:
    """Run `work` every `period` seconds in a thread of its own while the context is open."""
    from rollout.schedule import Pacer

    pacer = Pacer(work, never, period, on_problem)
    thread = threading.Thread(target=pacer.run, name=name, daemon=True)
    thread.start()
    try:
        yield
    finally:
        pacer.stop()
        thread.join()


def never() -> bool:
    """Return False: the `done` of a pacer that runs until it is stopped."""
    return False
