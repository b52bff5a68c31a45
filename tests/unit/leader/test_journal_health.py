"""Whether the journal answers: ticks tell, and where they do not, a question does."""

from __future__ import annotations

from contextlib import suppress

import pytest

from rollout.errors import JournalError
from rollout.leader.journal_health import JournalHealth


class Journal:
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
    return Journal()


@pytest.fixture
def reach(journal):
    return JournalHealth(journal.ask, lambda: journal.now, 15.0)


def test_ticks_that_succeed_leave_nothing_to_ask(reach, journal):
    for _ in range(100):
        reach.heard()
        reach.probe()
        journal.now += 1
    assert journal.asked == 0
    assert reach.holds()


def test_without_ticks_it_asks_a_few_times_within_the_patience(reach, journal):
    for _ in range(60):
        reach.probe()
        journal.now += 1
    assert 60 / 15 < journal.asked <= 60 / 5
    assert reach.holds()


def test_an_answer_of_old_is_borne_for_the_patience_and_a_new_one_mends_it(reach, journal):
    journal.away = True
    for _ in range(15):
        assert reach.holds()
        journal.now += 1
        if journal.now >= 1005:
            with pytest.raises(JournalError):
                reach.probe()
    assert not reach.holds()
    journal.away = False
    reach.probe()
    assert reach.holds()


def test_a_question_that_hangs_is_no_answer_meanwhile(reach, journal):
    journal.now += 5
    seen = []

    def hangs():
        journal.now += 10
        seen.append(reach.holds())

    reach.ask = hangs
    reach.probe()
    assert seen == [False]
    assert reach.holds()


def failing(reach, journal, seconds):
    """Ticks that fail for so long, one a second, while it is fit to lead."""
    for _ in range(seconds):
        with suppress(JournalError):
            reach.probe()
        if reach.holds():
            reach.failed()
        journal.now += 1


def test_a_leader_whose_ticks_fail_gives_up_though_the_journal_answers(reach, journal):
    failing(reach, journal, 15)
    assert not reach.holds()
    with pytest.raises(JournalError, match="leaves the Lease to others for 15s"):
        reach.probe()
    assert journal.asked > 0


def test_a_tick_that_succeeds_within_the_patience_mends_it(reach, journal):
    failing(reach, journal, 14)
    reach.heard()
    failing(reach, journal, 14)
    assert reach.holds()


def test_it_tries_again_after_rests_that_grow_to_a_minute(reach, journal):
    stands = ""
    for _ in range(400):
        stands += "+" if reach.holds() else "-"
        failing(reach, journal, 1)
    assert [len(run) for run in stands.split("+") if run][:4] == [15, 30, 60, 60]
    assert {len(run) for run in stands.split("-") if run} == {15}
    reach.heard()
    failing(reach, journal, 15)
    journal.now += 15
    reach.probe()
    assert reach.holds(), "after a success the first rest is the shortest again"


def test_who_rests_or_tries_again_is_not_usable_until_a_tick_succeeds(reach, journal):
    failing(reach, journal, 14)
    assert reach.usable()
    failing(reach, journal, 1)
    assert not reach.usable()
    journal.now += 15
    reach.probe()
    assert reach.holds()
    assert not reach.usable()
    reach.failed()
    assert not reach.usable()
    reach.heard()
    assert reach.usable()


def test_two_that_cannot_write_take_turns_ever_more_slowly():
    """Each leads for the patience and rests; whoever is fit takes the Lease when it is free."""
    now, leader, terms = 0.0, None, []
    both = [JournalHealth(lambda: None, lambda: now, 15.0) for _ in range(2)]
    for second in range(1200):
        now = float(second)
        for each in both:
            with suppress(JournalError):
                each.probe()
        if leader is not None and not leader.holds():
            leader = None
        fit = [each for each in both if each.holds()]
        if leader is None and fit:
            leader = fit[0]
            terms.append(second)
        if leader is not None:
            leader.failed()
    assert 2 <= sum(at >= 600 for at in terms) <= 2 * 600 / 75 + 1
    assert not any(each.usable() for each in both)
