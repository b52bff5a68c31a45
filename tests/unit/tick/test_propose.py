"""A look asks for what is newer, and records what is new."""

from dataclasses import replace

from analysis.counting.cursor import Series
from rollout.decide.fold import fold
from rollout.ports import Answer
from rollout.tick.attempts import started
from rollout.tick.propose import ask, propose
from tests.support.worlds import plan

PLAN = plan()
STATE = fold(None, started(PLAN, at=0.0, controller="test"), 1)
DARK = Answer(problems=dict.fromkeys(STATE.guardrails, "Prometheus is gone"))


def kinds(state, answer, *, reads=(), now=1.0):
    proposed = propose(PLAN.id, state, 1, reads=reads, answer=answer, now=now)
    return [fact.kind for fact, _ in proposed]


def test_a_first_question_has_no_since():
    assert ask(PLAN.id, STATE).since == {}


def test_a_problem_is_recorded_once():
    first = propose(PLAN.id, STATE, 1, reads=[], answer=DARK, now=1.0)
    assert first[0][0].kind == "observed"
    assert "observed" not in kinds(first[-1][1], DARK, now=3.0)


def test_a_word_is_thought_through_without_asking_anybody():
    assert "observed" not in kinds(STATE, None)


def test_each_fact_is_folded_on_the_one_before():
    series = {"errors": (Series("v1", "stable", ((1.0, (5,)),)),)}
    proposed = propose(PLAN.id, STATE, 1, reads=[], answer=Answer(series, {}), now=1.0)
    state = STATE
    for number, (fact, after) in enumerate(proposed, 2):
        state = fold(state, fact, number)
        assert after == state


def test_a_rollout_that_has_ended_is_not_looked_at():
    assert kinds(replace(STATE, phase="promoted"), DARK) == []
