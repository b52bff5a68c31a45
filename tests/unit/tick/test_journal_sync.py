"""What is appended is folded, and others' words are never written over."""

import pytest

from rollout.decide.record.facts import HumanSaid
from rollout.errors import JournalMovedError, ReplayError
from rollout.journal.memory import MemoryJournal
from rollout.tick.attempts import started
from rollout.tick.fleet import Fleet
from rollout.tick.journal_sync import RETRIES, JournalSync
from tests.support.worlds import plan

PLAN = plan()


def build_command(at=1.0):
    return HumanSaid(rollout=PLAN.id, at=at, command="pause", actor="a")


@pytest.fixture
def heard():
    return []


@pytest.fixture
def log(heard):
    sync = JournalSync(MemoryJournal(), Fleet(), heard.append)
    sync.append([started(PLAN, at=0.0, controller="test")])
    return sync


def test_what_is_appended_is_folded_and_told(log, heard):
    log.append([build_command()])
    assert log.fleet.states[PLAN.id].asked == build_command()
    assert [entry.seq for entry in heard] == [1, 2]


def test_nothing_to_append_is_no_entry(log, heard):
    assert log.try_append([])
    assert len(heard) == 1


def test_who_comes_second_folds_the_first_and_writes_nothing(log, heard):
    log.journal.append([build_command()], after=1)
    assert not log.try_append([build_command(at=2.0)])
    assert [entry.fact for entry in heard[1:]] == [build_command()]
    assert len(log.journal.read()) == log.fleet.head == 2


def test_a_fact_that_holds_whatever_others_say_is_appended_after_them(log):
    log.journal.append([build_command()], after=1)
    log.append([build_command(at=2.0)])
    assert [entry.fact.at for entry in log.journal.read()] == [0.0, 1.0, 2.0]


@pytest.mark.parametrize("command", ["pause", "undo"])
def test_what_cannot_be_replayed_is_not_recorded(log, command):
    before = log.journal.rows()
    fact = build_command().model_copy(update={"rollout": "never-started", "command": command})
    with pytest.raises(ReplayError, match="never started"):
        log.append([build_command(), fact])
    assert log.journal.rows() == before
    log.append([build_command()])
    assert log.fleet.head == 2


def test_what_others_recorded_and_cannot_be_replayed_is_never_passed_over(log):
    fact = build_command().model_copy(update={"rollout": "never-started"})
    log.journal.append([fact, build_command()], after=1)
    for _ in range(3):
        with pytest.raises(ReplayError, match="entry 2 speaks of never-started"):
            log.append([build_command(at=2.0)])
    assert log.fleet.head == 1


def test_a_journal_that_keeps_moving_is_an_error(heard):
    class Moving(MemoryJournal):
        tried = 0

        def append(self, facts, after):
            self.tried += 1
            raise JournalMovedError("moved")

    journal = Moving()
    with pytest.raises(JournalMovedError, match="keep appending"):
        JournalSync(journal, Fleet(), heard.append).append(
            [started(PLAN, at=0.0, controller="test")]
        )
    assert journal.tried == RETRIES
    assert heard == []
