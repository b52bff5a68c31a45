"""Runs many simulated rollouts, on several processes where that is faster."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from multiprocessing import get_context
from typing import TypeVar

_MOST = 8  # processes

_T = TypeVar("_T")


@contextmanager
def carried_out(
    tasks: Sequence[Callable[[], _T]], *, pays: bool
) -> Iterator[Iterable[tuple[int, _T]]]:
    """Yield each task's index and result, as they complete; tasks must be picklable.

    `pays`: the work takes longer than starting processes does.
    """
    workers = min(len(os.sched_getaffinity(0)), _MOST)
    if not pays or workers < 2:
        yield ((index, task()) for index, task in enumerate(tasks))
        return
    # Spawned, not forked: a fork copies locks that threads of NumPy or a progress bar may hold.
    pool = ProcessPoolExecutor(workers, get_context("spawn"), initializer=_ignore_interrupts)
    try:
        indices = {pool.submit(task): index for index, task in enumerate(tasks)}
        yield ((indices[future], future.result()) for future in as_completed(indices))
    finally:
        pool.shutdown(cancel_futures=True)


def _ignore_interrupts() -> None:
    """Ignore Ctrl-C in a worker: the main process handles it and shuts the pool down."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
