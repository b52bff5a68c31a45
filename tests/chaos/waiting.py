"""Waits for what a real rollout does, and tells it in words."""

from __future__ import annotations

import time
from collections.abc import Callable

from rollout.decide.record.facts import Decided
from rollout.errors import SurefootError
from tests.chaos.victims import SupervisedRun
from tests.live.record import Record

LONGEST = 120.0  # seconds until a rollout has to end


def await_(is_so: Callable[[], bool], what: str, controller: SupervisedRun | None = None) -> float:
    """Wait until something is so, as a supervisor of the controller; return the seconds.

    Raises AssertionError where it takes too long.
    """
    begun = time.monotonic()
    while not _ask(is_so):
        assert time.monotonic() - begun < LONGEST, f"not within {LONGEST:g} s: {what}"
        if controller is not None:
            controller.revive()
        time.sleep(0.1)
    return time.monotonic() - begun


def describe(record: Record) -> str:
    """Return the newest decision in words."""
    decisions = record.facts(Decided)
    return decisions[-1].sentence if decisions else "nothing was decided"


def _ask(is_so: Callable[[], bool]) -> bool:
    try:
        return is_so()
    except (SurefootError, OSError, KeyError):  # a server does not answer yet
        return False
