"""Whether a pipeline may go on: by the evidence and the rules that the rollout itself goes by."""

from __future__ import annotations

import pytest

from rollout.decide.record.facts import HumanSaid
from rollout.explain.permission import give_permission
from tests.support.worlds import BAD, GOOD, Lab, plan


def ask(lab, goal="step"):
    return give_permission(lab.rollout, lab.state, goal, lab.clock.now())


def give_command(lab, command):
    fact = HumanSaid(rollout=lab.rollout, at=lab.clock.now(), command=command, actor="ana")
    lab.controller.note(fact)
    lab.controller.tick()


def climbed(canary=GOOD, **spec):
    lab = Lab(canary, plan(**spec))
    lab.run_until(lambda state: state.split.canary == 25 and not state.delivery.is_open)
    return lab


def test_a_rollout_that_has_not_begun_is_waited_for():
    permission = ask(Lab())
    assert (permission.answer, permission.weight, permission.decision) == ("wait", 0.0, 0)


@pytest.mark.parametrize("goal", ["step", "promotion"])
def test_a_good_canary_may_go_on_and_at_its_end_for_good(goal):
    lab, answers = climbed(), []
    while not lab.state.is_terminal:
        lab.controller.tick()
        answers.append(ask(lab, goal))
        lab.clock.sleep(0.5)
    assert {own.answer for own in answers} == {"go", "wait"}
    assert answers[-1].answer == "go"
    first = next(own for own in answers if own.answer == "go")
    if goal == "promotion":
        assert set(first.guardrails.values()) <= {"safe", "shown"}


def test_what_is_asked_for_a_step_is_not_yet_a_promotion():
    lab = climbed()
    lab.run_until(lambda _: ask(lab).answer == "go")
    assert "undecided" in ask(lab).guardrails.values()
    promotion = ask(lab, "promotion")
    assert promotion.answer == "wait"
    assert promotion.why.startswith("not proven safe yet: ")


def test_a_bad_canary_is_never_allowed_more_once_it_is_decided():
    lab = Lab(BAD)
    lab.run()
    assert (ask(lab).answer, ask(lab, "promotion").answer) == ("stop", "stop")
    (decision,) = (fact for fact in lab.decisions if fact.action == "roll back")
    assert ask(lab).why == decision.sentence


def test_no_data_is_neither_go_nor_stop():
    lab = climbed(whenBlind={"hold": "10m", "then": "rollback"})
    lab.run_until(lambda _: ask(lab).answer == "go")
    lab.world.dark = True
    lab.run(60)
    assert ask(lab).answer == "wait"
    assert set(ask(lab).guardrails.values()) == {"blind"}


def test_nor_is_a_journal_that_nobody_writes_any_more():
    lab = climbed()
    lab.run_until(lambda _: ask(lab).answer == "go")
    lab.clock.sleep(600)
    assert ask(lab).answer == "wait"


def test_a_person_s_word_counts():
    lab = climbed()
    give_command(lab, "pause")
    assert ask(lab).answer == "wait"
    give_command(lab, "abort")
    assert ask(lab).answer == "stop"


def test_a_share_against_the_weight_and_a_mesh_that_does_not_confirm_are_waited_for(monkeypatch):
    lab = climbed()
    lab.router.down = "away"
    lab.run(5)
    assert (ask(lab).answer, ask(lab).why) == (
        "wait",
        "the mesh has not confirmed the last weight",
    )
