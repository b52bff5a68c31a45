"""Whether the journal answers: ticks tell, and where they do not, a question does."""

from __future__ import annotations

import pytest

from rollout.errors import JournalError
from rollout.operate.reach import Reach


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
    return Reach(journal.ask, lambda: journal.now, 15.0)


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
