"""A counter of who was sent where: the share of traffic is tested by it, and by nothing else."""

from dataclasses import replace
from typing import Any

from rollout.decide.evidence.exposure import exposure_guardrail
from tests.support.worlds import BAD, Behaviour, Lab, plan

ERRORS = {"name": "errors", "template": "envoy/errors", "margin": {"absolute": "2%"}}
SENT = {
    "name": "sent",
    "exposure": {"series": "decisions_total", "unit": "decisions"},
    "labels": {"version": "target_model"},
}


def lab(counted_part=1.0, canary=None, **spec):
    """A world in which so much of the canary's exposures is counted."""
    rollout = Lab(canary or Behaviour(), plan=plan(guardrails=[ERRORS, SENT], **spec), rate=200.0)
    world: Any = rollout.world
    answer = world._answer

    def answer_in_part(asked):
        answered = answer(asked)
        counted = tuple(
            replace(
                s, samples=tuple((at, (float(int(n * counted_part)),)) for at, (n,) in s.samples)
            )
            if s.arm == "canary"
            else s
            for s in answered.series.get("sent", ())
        )
        return replace(answered, series={**answered.series, "sent": counted})

    world._answer = answer_in_part
    return rollout


def test_it_counts_before_all_others_and_shows_no_harm():
    rollout = lab()
    assert exposure_guardrail(rollout.plan) == "sent"
    assert rollout.run().phase == "promoted"
    sentence = rollout.decisions[-1].sentence
    assert " decisions of the canary, " in sentence
    assert lab(canary=BAD).run().phase == "rolled back"


def test_a_share_that_only_it_shows_holds_the_rollout():
    rollout = lab(counted_part=0.4, deadline="2m", whenInconclusive="pause")
    assert rollout.run(240).phase == "paused"
    assert "promote" not in rollout.actions
    assert any("exposure-mismatch" in decided.reasons for decided in rollout.decisions)


def test_without_it_nobody_knows_the_share_and_nothing_is_promoted():
    rollout = lab(deadline="2m", whenInconclusive="rollback")
    rollout.world.hidden.add("sent")
    assert rollout.run(240).phase == "rolled back"
    assert "promote" not in rollout.actions
