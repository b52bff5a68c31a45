"""Looks that are decided again for the page."""

from __future__ import annotations

from threading import Event, Thread

import pytest

from rollout.errors import JournalBusyError
from rollout.page.reader import JournalReader
from rollout.page.replay import ReplayRoom
from tests.support.worlds import Lab
from tests.unit.page.conftest import NOW


def test_so_many_are_decided_again_and_it_says_how_many(pages):
    pages.reader.refresh()
    every = ReplayRoom(pages.reader).run()
    assert every == {"looks": 22, "of": 22, "differ": []}
    some = ReplayRoom(pages.reader, most=30).run()
    assert 0 < some["looks"] < some["of"] == 22


def test_one_is_decided_again_at_a_time(pages, monkeypatch):
    pages.reader.refresh()
    room, is_inside, may_end = ReplayRoom(pages.reader), Event(), Event()
    entries = pages.reader.entries

    def wait(places):
        is_inside.set()
        assert may_end.wait(30)
        return entries(places)

    monkeypatch.setattr(pages.reader, "entries", wait)
    thread = Thread(target=room.run)
    thread.start()
    assert is_inside.wait(30)
    with pytest.raises(JournalBusyError, match="ask later"):
        room.run()
    may_end.set()
    thread.join(30)
    assert room.run()["differ"] == []


def test_what_was_recorded_otherwise_is_named():
    lab = Lab()
    lab.run(30)
    decision = next(e for e in lab.entries if e.fact.kind == "decided" and e.fact.action != "hold")
    altered = decision.fact.model_copy(update={"reasons": ("proven-safe",)})
    facts = [altered if fact is decision.fact else fact for fact in lab.facts]
    journal = type(lab.journal)()
    journal.append([altered if f == decision.fact else f for f in facts], 0)
    reader = JournalReader(journal, lambda: NOW, pause=0)
    reader.refresh()
    assert decision.seq in ReplayRoom(reader).run()["differ"]
