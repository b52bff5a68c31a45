"""Run a check on many seeded inputs, each within bounds of time and memory.

`SUREFOOT_INPUTS` is the number of inputs of all targets together, `SUREFOOT_SEED` the first part of
each input's seed; a failure names the seed of its input.
"""

from __future__ import annotations

import os
import resource
import signal
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from tests.support.mutators import Mutator

SEED = os.environ.get("SUREFOOT_SEED", "1")
INPUTS = int(os.environ.get("SUREFOOT_INPUTS", "5000"))
_SECONDS = 5.0  # of the processor's time, for one input: a busy machine makes nothing hang
_MEMORY = 512 * 1024  # kilobytes that a target may need at most, beyond what was needed before


class HangError(BaseException):
    """An input that takes too long. No `except Exception` catches it."""


def fuzz(target: str, share: float, check: Callable[[Mutator], None]) -> None:
    """Check a share of all inputs; each gets a mutator of its own."""
    before = _peak_memory()
    for number in range(round(INPUTS * share)):
        seed = f"{SEED}/{target}/{number}"
        try:
            with _limited():
                check(Mutator(seed))
        except HangError as error:
            # Its traceback may end between two lines, which pytest cannot show.
            text = "".join(traceback.format_tb(error.__traceback__)[-4:])
            message = f"{error} for the input of the seed {seed!r}, at\n{text}"
            raise AssertionError(message) from None
        except Exception as error:
            error.add_note(f"input of the seed {seed!r}")
            raise
        grown = _peak_memory() - before
        assert grown < _MEMORY, f"{grown / 1024:.0f} MB more with the input of the seed {seed!r}"


@contextmanager
def _limited() -> Iterator[None]:
    def stop(_number: int, _frame: FrameType | None) -> None:
        raise HangError(f"more than {_SECONDS:g} s")

    before = signal.signal(signal.SIGPROF, stop)
    signal.setitimer(signal.ITIMER_PROF, _SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


def _peak_memory() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
