"""A replica's ticks: leader, standby, stale, and what it says of it."""

from __future__ import annotations

from contextlib import contextmanager

import pytest

from rollout.decide.record.facts import Fact
from rollout.errors import JournalBusyError, JournalError, JournalMovedError, StaleError
from rollout.leader.loop import LeaderLoop


class Play:
    """A replica whose Lease, journal and ticks are the test's."""

    leads, term, leader, identity = False, 0, "other", "me"

    def __init__(self):
        self.story: list[str] = []
        self.recorded: list[Fact] = []
        self.work = lambda: None
        self.loop = LeaderLoop(
            self, self.begin, lambda: self.story.append("-"), self.record, lambda: 7.0
        )

    @contextmanager
    def begin(self, term):
        self.story.append(f"begin {term}")
        yield self.tick
        self.story.append("end")

    def tick(self):
        self.story.append("tick")
        self.work()

    def record(self, fact):
        self.recorded.append(fact)

    def elect(self, term, *, leads=True):
        self.leads, self.term = leads, term
        self.leader = self.identity if term else "other"


@pytest.fixture
def play():
    return Play()


def test_it_stands_by_then_leads_then_gives_back(play):
    play.loop.tick()
    play.elect(3)
    play.loop.tick()
    play.loop.tick()
    play.loop.end()
    assert play.story == ["-", "begin 3", "tick", "tick", "end"]


def test_a_lapsed_lease_is_waited_for_and_a_lost_one_ends_the_term(play):
    play.elect(3)
    play.loop.tick()
    play.elect(3, leads=False)
    play.loop.tick()
    play.elect(3)
    play.loop.tick()
    play.elect(0, leads=False)
    play.loop.tick()
    assert play.story == ["begin 3", "tick", "-", "tick", "end", "-"]


def test_another_term_reads_the_journal_anew(play):
    play.elect(3)
    play.loop.tick()
    play.elect(5)
    play.loop.tick()
    assert play.story == ["begin 3", "tick", "end", "begin 5", "tick"]


def test_what_is_refused_is_logged_once_and_ends_the_term(play):
    def refused():
        raise StaleError("50% refused", "demo-1")

    play.elect(3)
    play.work = refused
    with pytest.raises(StaleError):
        play.loop.tick()
    assert play.story == ["begin 3", "tick", "end"]
    play.elect(0, leads=False)
    play.loop.tick()
    play.loop.tick()
    (fact,) = play.recorded
    assert (fact.kind, fact.rollout, fact.controller) == ("refused", "demo-1", "me")
    assert (fact.term, fact.at, fact.problem) == (3, 7.0, "50% refused")


def test_a_refusal_waits_for_a_journal_that_is_away(play):
    def away(_fact):
        raise JournalError("away")

    def busy():
        raise JournalBusyError("took over")

    play.elect(3)
    play.work, play.loop.record = busy, away
    with pytest.raises(JournalBusyError):
        play.loop.tick()
    play.elect(0, leads=False)
    with pytest.raises(JournalError):
        play.loop.tick()
    play.loop.record = play.record
    play.loop.tick()
    assert [fact.problem for fact in play.recorded] == ["took over"]


def test_a_tick_that_fails_otherwise_goes_on_in_its_term(play):
    def fails():
        raise JournalError("the disk is full")

    play.elect(3)
    play.work = fails
    for _ in range(2):
        with pytest.raises(JournalError):
            play.loop.tick()
    assert play.story == ["begin 3", "tick", "tick"]


def test_only_a_leader_s_tick_that_succeeds_is_told(play):
    def fails():
        raise JournalError("away")

    play.loop.succeeded = lambda: play.story.append("told")
    play.loop.tick()
    play.elect(3)
    play.loop.tick()
    play.work = fails
    with pytest.raises(JournalError):
        play.loop.tick()
    assert play.story == ["-", "begin 3", "tick", "told", "tick"]


@pytest.mark.parametrize(
    ("error", "is_reported"),
    [(JournalError, True), (JournalBusyError, False), (JournalMovedError, False)],
)
@pytest.mark.parametrize("where", ["work", "begin"])
def test_a_journal_that_refuses_a_leader_is_reported(play, error, is_reported, where):
    def fails(*_):
        raise error("no")

    play.loop.failed = lambda: play.story.append("failed")
    play.elect(3)
    if where == "begin":
        play.loop.begin = fails
    play.work = fails
    with pytest.raises(error):
        play.loop.tick()
    assert ("failed" in play.story) is is_reported


@pytest.mark.parametrize(("term", "leads"), [(0, False), (3, False), (5, True)])
def test_the_lease_s_part_of_the_fence(play, term, leads):
    play.elect(3)
    play.loop.tick()
    play.loop.check()
    play.elect(term, leads=leads)
    with pytest.raises(StaleError, match="the Lease of term 3 expired"):
        play.loop.check()
