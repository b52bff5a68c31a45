"""Whole rollouts in a simulated world, run by the production tick."""

from __future__ import annotations

import itertools
import re

import pytest

from rollout.decide.fold import fold_all
from rollout.decide.record.facts import HumanSaid, Observed
from rollout.decide.record.route_facts import Confirmed, RouteFailed
from rollout.decide.record.split import Split
from rollout.decide.record.write_id import WriteId
from rollout.decide.step import step
from rollout.ports import RouteStatus
from tests.support.worlds import BAD, GOOD, Behaviour, Lab, plan


def test_a_good_canary_climbs_every_step_and_is_promoted():
    lab = Lab(GOOD)
    assert lab.run().phase == "promoted"
    assert lab.actions == ["advance", "advance", "advance", "promote"]
    assert [split.canary for _, split, _ in lab.router.writes] == [5, 25, 50, 100]


@pytest.mark.parametrize(
    ("canary", "cause"),
    [
        (BAD, None),
        (Behaviour(errors=0.04), "errors"),
        (Behaviour(tail_share=0.15), "latency"),
        (Behaviour(score=0.52), "accuracy"),
    ],
)
def test_a_bad_canary_is_rolled_back_within_a_minute_of_its_first_request(canary, cause):
    lab = Lab(canary)
    state = lab.run()
    assert state.first_canary_at is not None
    assert state.phase == "rolled back"
    assert lab.router.statuses[lab.plan.id].split == Split(0, 100)
    assert lab.clock.now() - state.first_canary_at < 60
    if cause:
        assert cause in lab.decisions[-1].sentence


def test_a_dead_canary_is_rolled_back_within_its_warm_up():
    lab = Lab(Behaviour(errors=1.0))
    state = lab.run()
    assert state.warm_at is not None
    assert state.phase == "rolled back"
    assert lab.clock.now() < state.warm_at + 1
    assert lab.decisions[-1].reasons == ("harmful:crash",)


def test_every_write_follows_its_record_and_every_decision_replays():
    lab = Lab(GOOD)
    lab.run()
    entries = lab.entries
    for index, entry in enumerate(entries):
        if entry.fact.kind == "decided":
            before = fold_all((e.seq, e.fact) for e in entries[:index])
            assert step(before, entry.fact.at, lab.plan.id) == entry.fact
    decided = {e.seq: e.fact.split for e in entries if e.fact.kind == "decided"}
    for _, split, mark in lab.router.writes:
        named = WriteId.parse(mark)
        assert named is not None
        assert decided[named.decision] == split


def test_restarting_at_any_tick_changes_nothing():
    through, stopped = Lab(GOOD, seed=5), Lab(GOOD, seed=5)
    through.run()
    while not stopped.state.is_terminal:
        stopped.controller.tick()
        stopped.restart()
        stopped.clock.sleep(0.5)
    assert [e.hash for e in stopped.entries] == [e.hash for e in through.entries]


def test_a_second_tick_at_the_same_time_counts_nothing_twice():
    once, twice = Lab(GOOD, seed=3), Lab(GOOD, seed=3)
    for _ in range(60):
        once.controller.tick()
        twice.controller.tick()
        twice.controller.tick()
        once.clock.sleep(0.5)
        twice.clock.sleep(0.5)
    assert once.facts == twice.facts


def test_a_late_tick_loses_nothing():
    lab = Lab(GOOD, seed=4, plan=plan(warmup="1s"))
    lab.run(20)
    lab.clock.sleep(11)
    lab.controller.tick()
    for version, arm in (("v1", "stable"), ("v2", "canary")):
        exposures = sum(
            sample[1][0]
            for (an_arm, _), sample in lab.state.guardrails["errors"].cursor.last.items()
            if an_arm == arm
        )
        good = lab.world.totals.get((version, "good"))
        bad = lab.world.totals.get((version, "bad"))
        assert exposures == sum(int(counter[0]) for counter in (good, bad) if counter is not None)


def test_prometheus_away_holds_says_so_and_goes_on():
    lab = Lab(GOOD)
    lab.run_until(lambda state: state.split.canary == 25)
    lab.world.dark = True
    lab.run(15)
    held = lab.decisions[-1]
    assert (held.action, held.split.canary) == ("hold", 25)
    assert held.reasons == ("blind:accuracy", "blind:errors", "blind:latency")
    assert "Prometheus does not answer" in held.sentence
    lab.world.dark = False
    assert lab.run().phase == "promoted"


def test_blind_for_too_long_does_what_the_plan_says_once():
    lab = Lab(GOOD)
    lab.run_until(lambda state: state.split.canary == 5)
    lab.world.dark = True
    assert lab.run(60).phase == "rolled back"
    assert lab.actions == ["advance", "roll back"]

    paused = Lab(GOOD, plan=plan(whenBlind={"hold": "30s", "then": "pause"}))
    paused.run_until(lambda state: state.split.canary == 5)
    paused.world.dark = True
    assert paused.run(120).phase == "paused"
    assert paused.actions == ["advance", "pause"]


@pytest.mark.parametrize("fault", ["hidden", "broken"])
@pytest.mark.parametrize("name", ["errors", "latency", "accuracy"])
def test_a_guardrail_without_usable_data_is_never_safe_and_never_harmful(fault, name):
    lab = Lab(BAD if name != "errors" else GOOD, plan=plan(whenBlind={"hold": "20s"}))
    getattr(lab.world, fault).add(name)
    lab.run(120)
    assert lab.actions == ["pause"], "no traffic is risked while any guardrail is blind"
    assert f"blind-too-long:{name}" in lab.decisions[-2].reasons + lab.decisions[-1].reasons


def test_one_armed_exposures_are_blind(monkeypatch):
    lab = Lab(GOOD, plan=plan(whenBlind={"hold": "20s"}))
    original = lab.world._add

    def mute(version, counter, *counted):
        return (
            None if (version, counter) == ("v2", "score") else original(version, counter, *counted)
        )

    monkeypatch.setattr(lab.world, "_add", mute)
    lab.run(120)
    assert lab.actions[-1] == "pause"
    assert any("nothing counted" in decided.sentence for decided in lab.decisions)


def test_a_mesh_that_is_gone_is_retried_with_back_off_and_said():
    lab = Lab(GOOD)
    lab.run_until(lambda state: state.split.canary == 5)
    lab.router.down = "Envoy does not answer"
    lab.run(20)
    failed = [fact for fact in lab.facts if isinstance(fact, RouteFailed)]
    assert [fact.attempt for fact in failed] == list(range(1, len(failed) + 1))
    gaps = [b.at - a.at for a, b in itertools.pairwise(failed)]
    assert gaps == sorted(gaps)
    assert "Envoy does not answer" in lab.decisions[-1].sentence
    lab.router.down = ""
    assert lab.run().phase == "promoted"


def test_a_rollback_that_the_mesh_refuses_is_retried_without_end():
    lab = Lab(BAD)
    lab.run_until(lambda state: state.split.canary == 5)
    lab.router.stuck = True
    lab.run(600)
    assert lab.state.phase == "reverting"
    decision = lab.state.delivery.decision
    failures = [fact for fact in lab.facts if isinstance(fact, RouteFailed)]
    (failed,) = [fact for fact in failures if fact.decision == decision]
    assert "it refuses the update" in failed.problem
    writes = len(lab.router.writes)
    lab.run(8)
    assert len(lab.router.writes) > writes, "never far from the next attempt"
    lab.router.stuck = False
    assert lab.run(20).phase == "rolled back"


def test_no_step_clock_runs_before_mesh_and_traffic_confirm():
    lab = Lab(GOOD)
    lab.run()
    facts = lab.facts
    for decided in lab.decisions:
        if decided.action == "advance" and decided.split.canary > 5:
            confirmed = max(f.at for f in facts if isinstance(f, Confirmed) and f.at < decided.at)
            first_observation = min(
                f.at for f in facts if isinstance(f, Observed) and f.at > confirmed
            )
            assert decided.at - first_observation >= 8


def test_a_share_that_contradicts_the_weight_blocks_promotion(monkeypatch):
    lab = Lab(GOOD)
    monkeypatch.setattr(lab.router, "share", lambda _plan: 0.02)
    lab.run(120)
    assert "promote" not in lab.actions
    assert lab.decisions[-1].reasons == ("exposure-mismatch",)
    sentence = lab.decisions[-1].sentence
    match = re.search(r"the canary got (.+) % of (.+) requests, expected 5 %", sentence)
    assert match is not None, sentence
    assert float(match[1]) == pytest.approx(2, abs=1)
    assert 100 < int(match[2].replace(",", "")) <= 100 * 120


def _say(lab, command):
    fact = HumanSaid(rollout=lab.plan.id, at=lab.clock.now(), command=command, actor="someone")
    lab.journal.append([fact], lab.entries[-1].seq)


def test_people_pause_resume_promote_and_abort():
    lab = Lab(GOOD)
    lab.run_until(lambda state: state.split.canary == 5)
    _say(lab, "pause")
    lab.run(60)
    assert lab.state.phase == "paused"
    assert lab.state.split.canary == 5
    _say(lab, "resume")
    lab.run_until(lambda state: state.split.canary == 25)
    _say(lab, "promote")
    assert lab.run(5).phase == "promoted"
    assert "asked by someone" in lab.decisions[-1].sentence

    lab = Lab(GOOD)
    lab.run_until(lambda state: state.split.canary == 25)
    _say(lab, "abort")
    assert lab.run(5).phase == "rolled back"


def test_harm_rolls_back_a_paused_rollout():
    lab = Lab(BAD)
    lab.run_until(lambda state: state.split.canary == 5)
    _say(lab, "pause")
    assert lab.run(200).phase == "rolled back"


def test_a_persons_word_waits_for_no_slow_prometheus(monkeypatch):
    lab = Lab(GOOD)
    lab.run_until(lambda state: state.split.canary == 25)
    lab.run(1.5)
    _say(lab, "abort")

    def hang(_asks, _now):
        raise AssertionError("asked before the traffic was safe")

    monkeypatch.setattr(lab.world, "observe", hang)
    lab.controller.tick()
    assert lab.state.phase == "rolled back"


def test_a_command_that_comes_between_reading_and_appending_is_obeyed(monkeypatch):
    lab = Lab(GOOD)
    lab.run_until(lambda state: state.split.canary == 5)
    observe = lab.world.observe

    def interrupted(asks, now):
        if "human-said" not in {fact.kind for fact in lab.facts}:
            _say(lab, "abort")
        return observe(asks, now)

    monkeypatch.setattr(lab.world, "observe", interrupted)
    assert lab.run(5).phase == "rolled back"


@pytest.mark.parametrize(
    ("policy", "phase", "weight"),
    [("pause", "paused", 50), ("adopt", "promoted", 100), ("revert", "promoted", 100)],
)
def test_weights_moved_by_somebody_else(policy, phase, weight):
    lab = Lab(GOOD, plan=plan(onDrift=policy))
    lab.run_until(lambda state: state.split.canary == 25)
    lab.router.write(lab.plan, Split(50, 100), "a hand")
    lab.run(120)
    assert "drifted" in {fact.kind for fact in lab.facts}
    assert lab.state.phase == phase
    assert lab.state.split.canary == weight


@pytest.mark.parametrize(
    ("policy", "phase"), [("pause", "paused"), ("rollback", "rolled back"), ("promote", "promoted")]
)
def test_no_proof_by_the_deadline_is_inconclusive(policy, phase):
    lab = Lab(GOOD, rate=2, plan=plan(deadline="60s", whenInconclusive=policy))
    assert lab.run(90).phase == phase
    assert lab.decisions[-1 if phase != "paused" else -2].reasons == ("inconclusive",)


def test_a_forgotten_pause_ends_at_stable():
    lab = Lab(GOOD, plan=plan(patience="2m"))
    lab.run_until(lambda state: state.split.canary == 5)
    _say(lab, "pause")
    assert lab.run(200).phase == "rolled back"
    assert lab.decisions[-1].reasons == ("patience-over",)


def test_an_evidence_ramp_reaches_its_top_and_promotes():
    ramp = {"harmBudget": 10, "min": "1%", "max": "50%", "bake": "4s"}
    lab = Lab(GOOD, plan=plan(ramp=ramp))
    assert lab.run().phase == "promoted"
    weights = [split.canary for _, split, _ in lab.router.writes]
    assert weights == sorted(weights)
    assert weights[0] == 100
    assert weights[-2] == 5000


def test_a_canary_that_a_hand_took_all_traffic_from_is_not_called_blind_and_steps_again():
    lab = Lab(plan=plan(onDrift="pause"))
    lab.run_until(lambda state: state.first_canary_at is not None)
    lab.router.statuses[lab.plan.id] = RouteStatus(Split(0), "by hand")
    lab.run(60)
    resume = HumanSaid(rollout=lab.plan.id, at=lab.clock.now(), command="resume", actor="ana")
    lab.journal.append([resume], lab.entries[-1].seq)
    assert lab.run().phase == "promoted"
