"""Blue-green, segments, copies and sticky users: whole rollouts by the production tick."""

from __future__ import annotations

import pytest

from analysis import sample_ratio
from rollout.decide.fold import fold
from rollout.decide.record.split import Split
from rollout.explain.status import report
from rollout.review.look import looks
from tests.support.worlds import BAD, GOOD, Behaviour, Lab, plan

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
    assert lab.router.statuses[lab.plan.id].split == Split(0)


def test_a_switch_without_holdback_is_compared_with_what_was_before_and_says_so():
    lab = Lab(GOOD, plan=plan(ramp=BEFORE))
    lab.run_until(lambda state: state.split.canary == 100)
    assert lab.clock.now() - lab.begun >= 60
    lab.run(14)
    status_report = report(lab.plan.id, lab.state, lab.clock.now())
    assert status_report.observational
    assert "observational" in status_report.basis
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
    assert lab.router.statuses[lab.plan.id].split == Split(0)


def test_stable_may_fall_silent_after_the_switch(monkeypatch):
    lab = Lab(GOOD, plan=plan(ramp=BEFORE))
    lab.run_until(lambda state: state.split.canary == 100)
    sample_one = lab.world._one
    monkeypatch.setattr(
        lab.world, "_one", lambda arm, *rest: sample_one(arm, *rest) if arm == "canary" else None
    )
    assert lab.run().phase == "promoted"


def test_a_canary_that_answers_nothing_after_the_switch_is_taken_back(monkeypatch):
    lab = Lab(GOOD, plan=plan(ramp=BEFORE))
    sample_one = lab.world._one
    monkeypatch.setattr(
        lab.world, "_one", lambda arm, *rest: sample_one(arm, *rest) if arm == "stable" else None
    )
    assert lab.run(120).phase == "retreated"
    assert lab.actions == ["advance", "retreat"]
    assert lab.state.split.canary == 0
    assert lab.run().phase == "rolled back"
    assert lab.decisions[-1].reasons == ("inconclusive",)


@pytest.mark.parametrize(("policy", "phase"), [("rollback", "rolled back"), ("pause", "paused")])
def test_what_was_kept_is_used_up_and_nothing_more_can_be_learned(policy, phase):
    slow = Behaviour(errors=0.012)  # on its margin: neither safe nor harmful
    lab = Lab(slow, plan=plan(ramp=BEFORE, whenInconclusive=policy))
    assert lab.run(180).phase == phase
    last_move = [decided for decided in lab.decisions if decided.action != "hold"][-1]
    assert last_move.reasons == ("used-up:errors",)
    assert last_move.at - lab.begun < 150, "there is nothing to wait for until the deadline"
    assert "every sample of v1 from before the switch is used up" in last_move.sentence


MIRROR = {"mirror": {"share": "50%", "lasts": "20s"}}
ISTIO = {"istio": {"virtualService": "summarizer"}}


@pytest.mark.parametrize("copies_count", [True, False])
def test_copies_come_first_and_are_no_exposure(copies_count):
    lab = Lab(GOOD, plan=plan(traffic=MIRROR))
    lab.world.copies_count = copies_count
    lab.run_until(lambda state: state.split.way == "mirror")
    begun = lab.clock.now()
    assert lab.router.writes[0][1] == Split(50, way="mirror")
    status_report = report(lab.plan.id, lab.state, lab.clock.now())
    assert (status_report.weight, status_report.shown) == (0.0, "copies of 50 %")
    assert status_report.next == "advance to 5 % in 20s if no guardrail shows harm"
    mirrored = lab.run_until(lambda state: state.wanted.way == "weights")
    assert lab.clock.now() - begun >= 19
    assert mirrored.first_canary_at is None
    assert mirrored.shares == sample_ratio.start()
    assert lab.world.served.get("v2", 0) == 0, "no user met the canary"
    readouts = report(lab.plan.id, lab.state, lab.clock.now()).guardrails
    assert all(line.readout.canary == 0 for line in readouts), "copies are evidence of nothing"
    assert lab.run().phase == "promoted"
    assert [split.canary for _, split, _ in lab.router.writes] == [50, 5, 25, 50, 100]
    assert lab.state.first_canary_at is not None
    assert replays(lab)


def test_a_canary_that_fails_its_copies_never_meets_a_user():
    lab = Lab(Behaviour(errors=1.0), plan=plan(traffic=MIRROR, route=ISTIO))
    lab.world.copies_count = True
    assert lab.run().phase == "rolled back"
    assert lab.decisions[-1].reasons == ("harmful:crash",)
    assert "on its copies" in lab.decisions[-1].sentence
    assert lab.world.served.get("v2", 0) == 0
    assert replays(lab)


def test_a_canary_that_falls_silent_while_it_gets_copies_meets_no_user():
    lab = Lab(GOOD, plan=plan(traffic=MIRROR, whenBlind={"hold": "20s", "then": "pause"}))
    lab.world.copies_count = True
    lab.run_until(lambda state: state.split.way == "mirror" and state.copy_tally.canary > 0)
    lab.world.copies_count = False
    lab.run(60)
    assert lab.actions == ["advance", "pause"]
    assert lab.decisions[-1].split.way == "mirror"
    assert lab.world.served.get("v2", 0) == 0
    assert any("nothing counted for v2" in decided.sentence for decided in lab.decisions)
    assert replays(lab)


def test_copies_that_are_merely_worse_are_judged_only_by_a_crash():
    lab = Lab(BAD, plan=plan(traffic={"mirror": {"share": "100%", "lasts": "60s"}}))
    lab.world.copies_count = True
    lab.run_until(lambda state: state.split.way == "weights" and state.split.canary > 0)
    assert lab.actions == ["advance", "advance"]
    assert lab.run().phase == "rolled back"


def test_late_labels_of_copies_are_no_evidence():
    lab = Lab(GOOD, plan=plan(traffic=MIRROR, warmup="0s"))
    lab.world.copies_count, lab.world.lag = True, 6.0
    lab.run_until(lambda state: state.mirrored_until is not None)
    until = lab.state.mirrored_until
    assert until is not None
    lab.run_until(lambda state: (state.looked_at or 0.0) >= until + 6)
    accuracy = lab.state.guardrails["accuracy"]
    guardrail_report = report(lab.plan.id, lab.state, lab.clock.now()).guardrails[-1]
    assert accuracy.cursor.newest("canary") is not None
    assert guardrail_report.readout.canary == 0


def test_before_and_after_with_copies_first():
    lab = Lab(GOOD, plan=plan(ramp=BEFORE, traffic=MIRROR))
    lab.world.copies_count = True
    assert lab.run().phase == "promoted"
    ways = [(split.canary, split.way) for _, split, _ in lab.router.writes]
    assert ways == [(50, "mirror"), (100, "weights"), (100, "weights")]
    assert replays(lab)


def segment(**more: object) -> dict[str, object]:
    return {"segment": {"header": {"name": "x-team", "exact": "beta"}, **more}}


AB = {"steps": ["50%", "100%"], "bake": "8s"}


@pytest.mark.parametrize("more", [{}, {"share": "10%"}])
def test_a_segment_is_climbed_to_its_whole_and_promotion_is_of_all(more):
    lab = Lab(GOOD, plan=plan(ramp=AB, traffic=segment(**more), guardrails=WIDE))
    assert lab.run().phase == "promoted"
    written = [split for _, split, _ in lab.router.writes]
    assert written == [Split(50, way="segment"), Split(100, way="segment"), Split(100)]
    for decided in lab.decisions:
        assert "observational: the segment's requests were chosen" in decided.sentence
    unchecked = "the share of traffic is not checked" in " ".join(d.sentence for d in lab.decisions)
    assert unchecked is ("share" not in more)
    assert replays(lab)


def test_a_segment_drawn_by_lot_is_an_experiment():
    traffic = segment(share="10%", assignment="randomised")
    lab = Lab(GOOD, plan=plan(ramp=AB, traffic=traffic, guardrails=WIDE))
    assert lab.run().phase == "promoted"
    assert not any("observational" in decided.sentence for decided in lab.decisions)
    assert "observational" not in lab.decisions[-1].numbers


def test_a_bad_version_leaves_its_segment():
    lab = Lab(BAD, plan=plan(ramp=AB, traffic=segment()))
    assert lab.run().phase == "rolled back"
    assert lab.router.statuses[lab.plan.id].split == Split(0)


def test_a_segment_that_is_far_from_its_declared_share_is_a_mismatch(monkeypatch):
    lab = Lab(GOOD, plan=plan(ramp=AB, traffic=segment(share="40%"), guardrails=WIDE))
    monkeypatch.setattr(lab.router, "share", lambda _plan: 0.05)
    lab.run(60)
    assert "promote" not in lab.actions
    assert lab.decisions[-1].reasons == ("exposure-mismatch",)


def test_a_segment_without_requests_waits_and_ends_by_its_deadline(monkeypatch):
    lab = Lab(GOOD, plan=plan(ramp=AB, traffic=segment(), deadline="60s"))
    monkeypatch.setattr(lab.router, "share", lambda _plan: 0.0)
    assert lab.run(90).phase == "rolled back"
    assert ("awaiting-traffic",) in [decided.reasons for decided in lab.decisions]
