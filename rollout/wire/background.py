"""Runs work in background threads, so that slow requests never delay a rollback."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

_T = TypeVar("_T")


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


def answer_within(seconds: float, ask: Callable[[], _T]) -> _T | None:
    """Return the answer of `ask`; None where it takes longer or raises.

    A question that hangs (a name look-up, a login helper of a kubeconfig) is left to a daemon
    thread, which does not hold up the end of the process.
    """
    answers: queue.SimpleQueue[_T | None] = queue.SimpleQueue()

    def work() -> None:
        try:
            answers.put(ask())
        except Exception:  # noqa: BLE001 - whatever went wrong, there is no answer
            answers.put(None)

    threading.Thread(target=work, name="question", daemon=True).start()
    try:
        return answers.get(timeout=seconds)
    except queue.Empty:
        return None
