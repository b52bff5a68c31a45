"""Blue-green, segments, copies and sticky users: whole rollouts by the production tick."""

from __future__ import annotations

import pytest

from rollout.cli.report import report
from rollout.decide.fold import fold
from rollout.decide.split import Split
from rollout.review.look import looks
from tests.worlds import BAD, GOOD, Behaviour, Lab, plan

HOLDBACK = {"blueGreen": {"holdback": "20%"}, "bake": "8s"}
BEFORE = {"blueGreen": {"before": "60s"}, "bake": "8s"}
WIDE = [{"name": "errors", "template": "envoy/errors", "margin": {"absolute": "2%"}}]


def replays(lab: Lab) -> bool:
    """Whether every decision comes out again from the journal."""
    state, states = None, []
    for entry in lab.entries:
        state = fold(state, entry.fact, entry.seq)
        states.append(state)
    return not any(look.differs for look in looks(lab.entries, states))


def test_blue_green_is_one_switch_judged_against_its_holdback_and_promoted():
    lab = Lab(GOOD, plan=plan(ramp=HOLDBACK, guardrails=WIDE))
    assert lab.run().phase == "promoted"
    assert [split for _, split, _ in lab.router.writes] == [Split(80), Split(100)]
    assert lab.actions == ["advance", "promote"]
    assert not any("observational" in decided.sentence for decided in lab.decisions)
    assert replays(lab)


def test_blue_green_goes_back_at_once():
    lab = Lab(BAD, plan=plan(ramp=HOLDBACK))
    state = lab.run()
    assert state.phase == "rolled back"
    assert lab.router.shown[lab.plan.id].split == Split(0)


def test_a_switch_without_holdback_is_compared_with_what_was_before_and_says_so():
    lab = Lab(GOOD, plan=plan(ramp=BEFORE))
    lab.run_until(lambda state: state.split.canary == 100)
    assert lab.clock.now() - lab.begun >= 60
    lab.run(14)
    told = report(lab.plan.id, lab.state, lab.clock.now())
    assert "observational" in told.basis
    assert lab.run().phase == "promoted"
    for decided in lab.decisions:
        assert "observational: compared with v1 in the 1m before the switch" in decided.sentence
        assert decided.numbers["observational"] is True
    reasons = [line.reason for line in report(lab.plan.id, lab.state, lab.clock.now()).guardrails]
    assert all("observational" in reason for reason in reasons)
    assert replays(lab)


@pytest.mark.parametrize("canary", [BAD, Behaviour(errors=1.0)])
def test_a_switch_without_holdback_goes_back_at_once(canary):
    lab = Lab(canary, plan=plan(ramp=BEFORE))
    state = lab.run()
    assert state.phase == "rolled back"
    assert state.first_canary_at is not None
    assert lab.clock.now() - state.first_canary_at < 30
    assert lab.router.shown[lab.plan.id].split == Split(0)


def test_stable_may_fall_silent_after_the_switch(monkeypatch):
    lab = Lab(GOOD, plan=plan(ramp=BEFORE))
    lab.run_until(lambda state: state.split.canary == 100)
    one = lab.world._one
    monkeypatch.setattr(
        lab.world, "_one", lambda arm, *rest: one(arm, *rest) if arm == "canary" else None
    )
    assert lab.run().phase == "promoted"


def test_a_canary_that_answers_nothing_after_the_switch_is_blind(monkeypatch):
    lab = Lab(GOOD, plan=plan(ramp=BEFORE))
    one = lab.world._one
    monkeypatch.setattr(
        lab.world, "_one", lambda arm, *rest: one(arm, *rest) if arm == "stable" else None
    )
    assert lab.run().phase == "rolled back"
    assert lab.actions == ["advance", "roll back"]
    assert "one-armed" in lab.decisions[-1].sentence


@pytest.mark.parametrize(("policy", "phase"), [("rollback", "rolled back"), ("pause", "paused")])
def test_what_was_kept_is_used_up_and_nothing_more_can_be_learned(policy, phase):
    slow = Behaviour(errors=0.012)  # on its margin: neither safe nor harmful
    lab = Lab(slow, plan=plan(ramp=BEFORE, whenInconclusive=policy))
    assert lab.run(180).phase == phase
    said = [decided for decided in lab.decisions if decided.action != "hold"][-1]
    assert said.reasons == ("used-up:errors",)
    assert said.at - lab.begun < 150, "there is nothing to wait for until the deadline"
    assert "all of v1 before the switch is compared" in said.sentence
