"""Looks that are decided again for the page."""

from __future__ import annotations

from threading import Event, Thread

import pytest

from rollout.errors import JournalBusyError
from rollout.explain.decision.replayed import explain
from rollout.page.reader import JournalReader
from rollout.page.replay import ReplayRoom, StateRoom
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


@pytest.mark.parametrize("order", [1, -1])
def test_a_decision_is_explained_the_same_from_a_state_that_was_kept_on_the_way(pages, order):
    pages.reader.refresh()
    room = StateRoom(pages.reader, apart=2)
    has_begun_later = False
    for line in [line for line in pages.reader.headlines() if line.action][::order]:
        earlier, entries = room.find(line.rollout, line.seq)
        whole = pages.reader.entries_of(line.rollout, line.seq)
        assert explain(entries, line.seq, earlier) == explain(whole, line.seq)
        has_begun_later |= len(entries) < len(whole)
    assert has_begun_later


def test_another_decision_of_a_rollout_reads_a_few_entries(pages, monkeypatch):
    pages.reader.refresh()
    (rollout, *_) = pages.reader.states()
    numbers = [line.seq for line in pages.reader.headlines(rollout) if line.action]
    room, lengths, entries = StateRoom(pages.reader, apart=2), [], pages.reader.entries

    def count(places):
        lengths.append(len(places))
        return entries(places)

    monkeypatch.setattr(pages.reader, "entries", count)
    for number in (numbers[-1], numbers[-2]):
        room.find(rollout, number)
    assert lengths[0] > 20
    assert lengths[1] < 10


def test_states_of_a_few_rollouts_are_kept(pages):
    pages.reader.refresh()
    room = StateRoom(pages.reader, apart=2)
    for number in range(20):
        room.find(f"unknown-{number}", 3)
    for rollout in pages.reader.states():
        room.find(rollout, 75)
    assert len(room._kept) == 8
