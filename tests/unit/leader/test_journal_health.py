"""Whether the journal answers: ticks tell, and where they do not, a question does."""

from __future__ import annotations

from contextlib import suppress

import pytest

from rollout.errors import JournalError
from rollout.leader.journal_health import JournalHealth


class HangingJournal:
    """Answers, refuses, or hangs for some seconds of the same clock."""

    def __init__(self):
        self.now, self.asked, self.away, self.hangs = 1000.0, 0, False, 0.0

    def ask(self):
        self.asked += 1
        self.now += self.hangs
        if self.away:
            raise JournalError("away")


@pytest.fixture
def journal():
    return HangingJournal()


@pytest.fixture
def health(journal):
    return JournalHealth(journal.ask, lambda: journal.now, 15.0)


def test_ticks_that_succeed_leave_nothing_to_ask(health, journal):
    for _ in range(100):
        health.tick_succeeded()
        health.probe()
        journal.now += 1
    assert journal.asked == 0
    assert health.is_healthy()


def test_without_ticks_it_asks_a_few_times_within_the_patience(health, journal):
    for _ in range(60):
        health.probe()
        journal.now += 1
    assert 60 / 15 < journal.asked <= 60 / 5
    assert health.is_healthy()


def test_an_answer_of_old_is_borne_for_the_patience_and_a_new_one_mends_it(health, journal):
    journal.away = True
    for _ in range(15):
        assert health.is_healthy()
        journal.now += 1
        if journal.now >= 1005:
            with pytest.raises(JournalError):
                health.probe()
    assert not health.is_healthy()
    journal.away = False
    health.probe()
    assert health.is_healthy()


def test_a_question_that_hangs_is_no_answer_meanwhile(health, journal):
    journal.now += 5
    answers = []

    def hangs():
        journal.now += 10
        answers.append(health.is_healthy())

    health.ask = hangs
    health.probe()
    assert answers == [False]
    assert health.is_healthy()


def failing(health, journal, seconds):
    """Ticks that fail for so long, one a second, while it is fit to lead."""
    for _ in range(seconds):
        with suppress(JournalError):
            health.probe()
        if health.is_healthy():
            health.failed()
        journal.now += 1


def test_a_leader_whose_ticks_fail_gives_up_though_the_journal_answers(health, journal):
    failing(health, journal, 15)
    assert not health.is_healthy()
    with pytest.raises(JournalError, match="leaves the Lease to others for 15s"):
        health.probe()
    assert journal.asked > 0


def test_a_tick_that_succeeds_within_the_patience_mends_it(health, journal):
    failing(health, journal, 14)
    health.tick_succeeded()
    failing(health, journal, 14)
    assert health.is_healthy()


def test_it_tries_again_after_rests_that_grow_to_a_minute(health, journal):
    stands = ""
    for _ in range(400):
        stands += "+" if health.is_healthy() else "-"
        failing(health, journal, 1)
    assert [len(run) for run in stands.split("+") if run][:4] == [15, 30, 60, 60]
    assert {len(run) for run in stands.split("-") if run} == {15}
    health.tick_succeeded()
    failing(health, journal, 15)
    journal.now += 15
    health.probe()
    assert health.is_healthy(), "after a success the first rest is the shortest again"


def test_who_rests_or_tries_again_is_not_usable_until_a_tick_succeeds(health, journal):
    failing(health, journal, 14)
    assert health.usable()
    failing(health, journal, 1)
    assert not health.usable()
    journal.now += 15
    health.probe()
    assert health.is_healthy()
    assert not health.usable()
    health.failed()
    assert not health.usable()
    health.tick_succeeded()
    assert health.usable()


def test_two_that_cannot_write_take_turns_ever_more_slowly():
    """Each leads for the patience and rests; whoever is fit takes the Lease when it is free."""
    now, leader, terms = 0.0, None, []
    both = [JournalHealth(lambda: None, lambda: now, 15.0) for _ in range(2)]
    for second in range(1200):
        now = float(second)
        for health in both:
            with suppress(JournalError):
                health.probe()
        if leader is not None and not leader.is_healthy():
            leader = None
        fit = [health for health in both if health.is_healthy()]
        if leader is None and fit:
            leader = fit[0]
            terms.append(second)
        if leader is not None:
            leader.failed()
    assert 2 <= sum(at >= 600 for at in terms) <= 2 * 600 / 75 + 1
    assert not any(health.usable() for health in both)
