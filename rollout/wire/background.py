"""Work beside the ticks: what shows a status or asks for a Lease keeps no rollback waiting."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def run_in_background(
    name: str, work: Callable[[], None], period: float, on_problem: Callable[[str], None]
) -> Iterator[None]:
    """Work at a steady pace in a thread of its own."""
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
    return False
