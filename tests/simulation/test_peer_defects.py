"""Scenarios that break other controllers, named after what they do in them."""

from __future__ import annotations

import pytest

from rollout.decide.record.facts import HumanSaid
from rollout.decide.record.split import Split
from rollout.plan.model.plan import Plan
from rollout.ports import Ports
from rollout.tick.controller import Controller
from tests.support.worlds import BAD, Behaviour, Lab, plan

DEAD = Behaviour(errors=1.0)


def at(lab, canary):
    lab.run_until(lambda state: state.split.canary == canary and not state.delivery.is_open)
    return lab


def splits(lab):
    return [split.canary for _, split, _ in lab.router.writes]


def test_flagger_asks_for_ready_pods_before_it_rolls_back():
    """No port of a tick knows of pods: harm alone decides, within the canary's warm-up."""
    lab = at(Lab(DEAD), 5)
    begun = lab.clock.now()
    assert lab.run().phase == "rolled back"
    assert lab.clock.now() - begun <= lab.plan.spec.warmup + 2 * lab.plan.spec.interval


def test_flagger_takes_threshold_plus_one_intervals_to_roll_back():
    """The look that finds the harm decides, and the same tick brings the traffic back."""
    lab = at(Lab(DEAD), 5)
    lab.run()
    (back,) = [decision for decision in lab.decisions if decision.action == "roll back"]
    confirmed = lab.facts[-1]
    assert confirmed.kind == "confirmed"
    assert confirmed.at - back.at < 0.5


def test_flagger_advances_after_a_restart_without_new_evidence():
    lab, plain = at(Lab(), 5), at(Lab(), 5)
    for _ in range(20):
        lab.restart()
        lab.controller.tick()  # at one and the same time
    plain.controller.tick()
    assert lab.facts == plain.facts
    assert splits(lab) == [5]


def test_flagger_doubles_the_ramp_with_two_replicas():
    """Without any election: the journal alone keeps two controllers to one history."""
    lab = Lab()
    ports = Ports(lab.world, lab.router, lab.journal, lab.clock)
    second = Controller(ports, "test")
    second.start([lab.plan])
    for _ in range(400):
        lab.controller.tick()
        second.tick()
        lab.clock.sleep(0.5)
    second.catch_up()
    assert second.states[lab.plan.id].phase == "promoted"
    assert [split for n, split in enumerate(splits(lab)) if split not in splits(lab)[:n]] == [
        *(5, 25, 50, 100)
    ]
    assert lab.actions == ["advance", "advance", "advance", "promote"]


def test_flagger_promotes_on_readiness_alone_without_metrics():
    document = plan().document()
    document["spec"]["guardrails"] = []
    with pytest.raises(ValueError, match="guardrails"):
        Plan.model_validate(document)


def test_argo_promotes_without_evidence():
    lab = Lab(rate=0.0)
    assert lab.run(600).phase == "rolled back"
    assert "promote" not in lab.actions


def test_argo_waits_for_a_stable_pod_before_it_aborts():
    lab = at(Lab(), 25)
    abort = HumanSaid(rollout=lab.plan.id, at=lab.clock.now(), command="abort", actor="ana")
    lab.journal.append([abort], lab.entries[-1].seq)
    lab.controller.tick()
    assert lab.state.phase == "rolled back"
    assert lab.router.statuses[lab.plan.id].split == Split(0)


def test_argo_lets_the_analysis_end_before_promotion_matters():
    """Harm that is found while the promotion waits for the mesh still rolls back."""
    lab = at(Lab(), 50)
    lab.router.stuck = True
    lab.run_until(lambda state: state.phase == "promoting")
    lab.world.behaviours["v2"] = BAD
    lab.run_until(lambda state: state.phase == "reverting")
    lab.router.stuck = False
    assert lab.run().phase == "rolled back"


def test_argo_records_no_actor():
    lab = at(Lab(), 5)
    promotion = HumanSaid(rollout=lab.plan.id, at=lab.clock.now(), command="promote", actor="ana")
    lab.journal.append([promotion], lab.entries[-1].seq)
    lab.controller.tick()
    assert lab.decisions[-1].sentence.count("asked by ana") == 1
