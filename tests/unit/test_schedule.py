"""The pacer: ticks until it is done, survives expected errors, ends at unexpected ones."""

from __future__ import annotations

import threading
from datetime import datetime, timedelta

import pytest

from rollout.errors import JournalError
from rollout.schedule import Pacer


def test_ticks_at_once_and_then_at_its_pace_until_done():
    ticks = []
    Pacer(lambda: ticks.append(1), lambda: len(ticks) >= 3, 0.02, lambda _words: None).run()
    assert len(ticks) == 3


def test_an_expected_error_is_told_and_the_next_tick_tries_again():
    messages: list[str] = []
    ticks = []

    def tick():
        ticks.append(1)
        if len(ticks) == 1:
            raise JournalError("the disk is full")

    Pacer(tick, lambda: len(ticks) >= 2, 0.02, messages.append).run()
    assert messages == ["the disk is full"]


def test_an_unexpected_error_ends_the_run_and_is_raised():
    def tick():
        raise ZeroDivisionError("a fault of ours")

    with pytest.raises(ZeroDivisionError, match="a fault of ours"):
        Pacer(tick, lambda: False, 0.02, lambda _words: None).run()


def test_a_slow_tick_is_never_overtaken():
    inside, most, ticks = [], [], []

    def tick():
        inside.append(1)
        most.append(len(inside))
        threading.Event().wait(0.06)
        inside.pop()
        ticks.append(1)

    Pacer(tick, lambda: len(ticks) >= 3, 0.02, lambda _words: None).run()
    assert max(most) == 1


def test_stop_ends_it_after_the_tick_under_way():
    ticks = []

    def tick():
        ticks.append(1)
        pacer.stop()

    pacer = Pacer(tick, lambda: False, 0.02, lambda _words: None)
    pacer.run()
    assert ticks == [1]


def test_a_clock_that_is_set_back_stops_no_tick(monkeypatch):
    """Each reading is an hour before the last one, for APScheduler and for us."""
    readings = iter(range(10**6))

    class Falling(datetime):
        @classmethod
        def now(cls, tz=None):
            return datetime.now(tz) - timedelta(hours=next(readings))

    for module in ("apscheduler.schedulers.base", "rollout.schedule"):
        monkeypatch.setattr(f"{module}.datetime", Falling)
    ticks = []
    Pacer(lambda: ticks.append(1), lambda: len(ticks) >= 3, 0.02, lambda _words: None).run()
    assert len(ticks) == 3
