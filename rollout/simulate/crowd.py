"""Many simulated rollouts at once: on several processes where that pays."""

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
    """Each task's place and result, as they come; tasks must pickle.

    `pays`: there is more work than starting processes takes.
    """
    workers = min(len(os.sched_getaffinity(0)), _MOST)
    if not pays or workers < 2:
        yield ((place, task()) for place, task in enumerate(tasks))
        return
    # Spawned, not forked: a fork copies locks of threads that NumPy or a progress bar may hold.
    pool = ProcessPoolExecutor(workers, get_context("spawn"), initializer=_leave_interrupts)
    try:
        places = {pool.submit(task): place for place, task in enumerate(tasks)}
        yield ((places[future], future.result()) for future in as_completed(places))
    finally:
        pool.shutdown(cancel_futures=True)


def _leave_interrupts() -> None:
    """Ctrl-C is for the process that shows the progress; it ends the others."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
