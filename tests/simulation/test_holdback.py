"""Holding back: everything is proven, stable keeps a share, and the rollback tests go on."""

from __future__ import annotations

from typing import Any

import pytest

from rollout.decide.fold import fold_all
from rollout.decide.record.facts import HumanSaid
from rollout.decide.record.split import Split
from rollout.decide.step import step
from tests.support.worlds import BAD, GOOD, Behaviour, Lab, plan

HELD = {"share": "5%", "lasts": "1m"}


def lab(canary=GOOD, holdback=HELD, **spec):
    return Lab(canary, plan=plan(holdback=holdback, **spec))


def held(**spec):
    """A lab whose canary has all but the holdback, as the mesh and the traffic confirm."""
    rollout = lab(**spec)
    rollout.run_until(lambda state: state.phase == "holding back" and state.steady_at is not None)
    return rollout


def say(rollout, command):
    fact = HumanSaid(rollout=rollout.plan.id, at=rollout.clock.now(), command=command, actor="ada")
    rollout.journal.append([fact], rollout.entries[-1].seq)


def test_the_last_step_before_the_promotion_leaves_stable_its_share():
    rollout = lab()
    assert rollout.run().phase == "promoted"
    assert rollout.actions == ["advance", "advance", "advance", "hold back", "promote"]
    assert [split.canary for _, split, _ in rollout.router.writes] == [5, 25, 50, 95, 100]
    back, promoted = (d for d in rollout.decisions if d.action in {"hold back", "promote"})
    assert back.sentence.startswith("Hold back 5 % on v1, v2 from 50 % to 95 %: every guardrail")
    assert "no harm while 5 % of traffic stayed on v1 for 1m" in promoted.sentence
    assert promoted.at - back.at >= 60


def test_every_decision_of_it_replays():
    rollout = lab()
    rollout.run()
    for index, entry in enumerate(rollout.entries):
        if entry.fact.kind == "decided":
            before = fold_all((e.seq, e.fact) for e in rollout.entries[:index])
            assert step(before, entry.fact.at, rollout.plan.id) == entry.fact


@pytest.mark.parametrize("late", [BAD, Behaviour(errors=0.04), Behaviour(errors=1.0)])
def test_harm_that_shows_only_then_is_rolled_back_at_once(late):
    rollout = held(holdback={"share": "10%", "lasts": "1h"})
    rollout.world.behaviours = {"v1": GOOD, "v2": late}
    assert rollout.run(600).phase == "rolled back"
    assert rollout.router.statuses[rollout.plan.id].split == Split(0, 100)
    assert rollout.actions[-2:] == ["hold back", "roll back"]


def long_climb(**held):
    """A lab that holds back after an hour and a half in which all was well."""
    rate = {"name": "errors", "template": "envoy/errors", "margin": {"absolute": "0.5%"}}
    clock: dict[str, Any] = {
        "interval": "30s",
        "prometheus": {"scrape": "15s"},
        "warmup": "1m",
        "deadline": "8h",
    }
    ramp = {"steps": ["5%", "25%", "50%"], "bake": "30m"}
    rollout = Lab(GOOD, plan=plan(guardrails=[rate], ramp=ramp, **clock, **held), rate=10.0)
    while rollout.state.phase != "holding back":
        rollout.run(15, period=15)
    return rollout


def test_what_spoke_for_it_on_a_long_climb_does_not_hide_harm_that_begins_then():
    rollout = long_climb(holdback={"share": "5%", "lasts": "2h"})
    guardrail = rollout.state.guardrails["errors"]
    assert guardrail.late_test is not None
    assert guardrail.held_back() is guardrail, "what waited begins once"
    rollout.world.behaviours = {"v1": GOOD, "v2": Behaviour(errors=0.03)}
    rollout.run(300, period=15)
    rollout.restart()
    assert rollout.state == fold_all((entry.seq, entry.fact) for entry in rollout.entries)
    assert rollout.run(55 * 30, period=15).phase == "rolled back"


def test_the_deadline_does_not_cut_it():
    rollout = held(holdback={"share": "5%", "lasts": "4m"}, deadline="2m")
    assert rollout.run(300).phase == "promoted"
    assert rollout.decisions[-1].reasons == ("held-back",)


def test_a_slow_mesh_after_it_is_not_late_either():
    rollout = held(deadline="2m", holdback={"share": "5%", "lasts": "5m"})
    rollout.run_until(
        lambda _: rollout.clock.now() >= (rollout.state.delivery.confirmed_at or 0) + 299, 400
    )
    rollout.router.stuck = True
    rollout.run_until(lambda state: state.phase == "promoting")
    rollout.run(30)
    rollout.router.stuck = False
    assert rollout.run(60).phase == "promoted"


def test_a_mesh_that_never_shows_it_ends_as_the_plan_says():
    rollout = lab(deadline="2m")
    rollout.run_until(lambda state: state.split.canary == 50)
    rollout.router.stuck = True
    rollout.run_until(lambda state: state.phase == "holding back")
    assert rollout.run(170).phase == "holding back"
    rollout.run_until(lambda state: state.phase == "reverting")
    assert rollout.decisions[-1].reasons == ("inconclusive",)


@pytest.mark.parametrize(("then", "phase"), [("pause", "paused"), ("rollback", "rolled back")])
def test_blindness_is_what_the_plan_says(then, phase):
    rollout = held(whenBlind={"hold": "30s", "then": then}, holdback={"share": "5%", "lasts": "5m"})
    rollout.world.dark = True
    assert rollout.run(60).phase == phase
    assert rollout.state.last.reasons[0].startswith(("blind-too-long", "awaiting-mesh", "paused"))


def test_blind_at_its_end_is_no_promotion():
    rollout = held(whenBlind={"hold": "5m", "then": "pause"})
    rollout.world.dark = True
    assert rollout.run(120).phase == "holding back"
    rollout.world.dark = False
    assert rollout.run(30).phase == "promoted"


def test_a_person_may_skip_it_or_end_it():
    skipped, ended = held(), held()
    say(skipped, "promote")
    skipped.controller.tick()
    assert skipped.state.phase == "promoted"
    say(ended, "abort")
    ended.controller.tick()
    assert ended.state.phase == "rolled back"


def test_after_a_pause_it_begins_anew():
    rollout = held()
    say(rollout, "pause")
    rollout.run(90)
    assert rollout.state.phase == "paused"
    say(rollout, "resume")
    assert rollout.run().phase == "promoted"
    assert rollout.actions[-5:] == ["hold back", "pause", "resume", "hold back", "promote"]
    again, promoted = [d for d in rollout.decisions if d.action in {"hold back", "promote"}][-2:]
    assert promoted.at - again.at >= 60


def test_a_share_that_contradicts_the_weight_is_no_promotion():
    rollout = held()
    rollout.router.share = lambda _plan: 0.5
    rollout.run(120)
    assert rollout.state.phase == "holding back"
    assert rollout.decisions[-1].reasons == ("exposure-mismatch",)


def test_somebody_who_moves_the_weights_meanwhile_is_noticed():
    rollout = held()
    rollout.router.write(rollout.plan, Split(100, 100), "by hand")
    rollout.run(5)
    assert (rollout.state.phase, rollout.actions[-1]) == ("paused", "pause")


def test_restarting_at_any_tick_changes_nothing():
    through, stopped = (lab(holdback={"share": "5%", "lasts": "10s"}) for _ in range(2))
    through.run()
    stopped.run_until(lambda state: state.phase == "holding back")
    while not stopped.state.is_terminal:
        stopped.restart()
        stopped.controller.tick()
        stopped.clock.sleep(0.5)
    assert [e.hash for e in stopped.entries] == [e.hash for e in through.entries]


def test_a_promotion_by_a_person_after_the_deadline_waits_for_a_slow_mesh():
    rollout = Lab(GOOD, plan=plan(deadline="40s", whenInconclusive="pause"))
    rollout.run_until(lambda state: state.phase == "paused")
    rollout.router.stuck = True
    say(rollout, "promote")
    rollout.run(5)
    assert rollout.state.phase == "promoting", "the deadline that was over is no reason any more"
    rollout.router.stuck = False
    assert rollout.run(10).phase == "promoted"
