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
    made = lab(**spec)
    made.run_until(lambda state: state.phase == "holding back" and state.steady_at is not None)
    return made


def say(made, command):
    fact = HumanSaid(rollout=made.plan.id, at=made.clock.now(), command=command, actor="ada")
    made.journal.append([fact], made.entries[-1].seq)


def test_the_last_step_before_the_promotion_leaves_stable_its_share():
    made = lab()
    assert made.run().phase == "promoted"
    assert made.actions == ["advance", "advance", "advance", "hold back", "promote"]
    assert [split.canary for _, split, _ in made.router.writes] == [5, 25, 50, 95, 100]
    back, promoted = (d for d in made.decisions if d.action in {"hold back", "promote"})
    assert back.sentence.startswith("Hold back 5 % on v1, v2 from 50 % to 95 %: every guardrail")
    assert "no harm while 5 % of traffic stayed on v1 for 1m" in promoted.sentence
    assert promoted.at - back.at >= 60


def test_every_decision_of_it_replays():
    made = lab()
    made.run()
    for index, entry in enumerate(made.entries):
        if entry.fact.kind == "decided":
            before = fold_all((e.seq, e.fact) for e in made.entries[:index])
            assert step(before, entry.fact.at, made.plan.id) == entry.fact


@pytest.mark.parametrize("late", [BAD, Behaviour(errors=0.04), Behaviour(errors=1.0)])
def test_harm_that_shows_only_then_is_rolled_back_at_once(late):
    made = held(holdback={"share": "10%", "lasts": "1h"})
    made.world.behaviours = {"v1": GOOD, "v2": late}
    assert made.run(600).phase == "rolled back"
    assert made.router.statuses[made.plan.id].split == Split(0, 100)
    assert made.actions[-2:] == ["hold back", "roll back"]


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
    made = Lab(GOOD, plan=plan(guardrails=[rate], ramp=ramp, **clock, **held), rate=10.0)
    while made.state.phase != "holding back":
        made.run(15, period=15)
    return made


def test_what_spoke_for_it_on_a_long_climb_does_not_hide_harm_that_begins_then():
    made = long_climb(holdback={"share": "5%", "lasts": "2h"})
    gauge = made.state.gauges["errors"]
    assert gauge.later is not None
    assert gauge.held_back() is gauge, "what waited begins once"
    made.world.behaviours = {"v1": GOOD, "v2": Behaviour(errors=0.03)}
    made.run(300, period=15)
    made.restart()
    assert made.state == fold_all((entry.seq, entry.fact) for entry in made.entries)
    assert made.run(55 * 30, period=15).phase == "rolled back"


def test_the_deadline_does_not_cut_it():
    made = held(holdback={"share": "5%", "lasts": "4m"}, deadline="2m")
    assert made.run(300).phase == "promoted"
    assert made.decisions[-1].reasons == ("held-back",)


def test_a_slow_mesh_after_it_is_not_late_either():
    made = held(deadline="2m", holdback={"share": "5%", "lasts": "5m"})
    made.run_until(lambda _: made.clock.now() >= (made.state.confirmed_at or 0) + 299, 400)
    made.router.stuck = True
    made.run_until(lambda state: state.phase == "promoting")
    made.run(30)
    made.router.stuck = False
    assert made.run(60).phase == "promoted"


def test_a_mesh_that_never_shows_it_ends_as_the_plan_says():
    made = lab(deadline="2m")
    made.run_until(lambda state: state.split.canary == 50)
    made.router.stuck = True
    made.run_until(lambda state: state.phase == "holding back")
    assert made.run(170).phase == "holding back"
    made.run_until(lambda state: state.phase == "reverting")
    assert made.decisions[-1].reasons == ("inconclusive",)


@pytest.mark.parametrize(("then", "phase"), [("pause", "paused"), ("rollback", "rolled back")])
def test_blindness_is_what_the_plan_says(then, phase):
    made = held(whenBlind={"hold": "30s", "then": then}, holdback={"share": "5%", "lasts": "5m"})
    made.world.dark = True
    assert made.run(60).phase == phase
    assert made.state.last.reasons[0].startswith(("blind-too-long", "awaiting-mesh", "paused"))


def test_blind_at_its_end_is_no_promotion():
    made = held(whenBlind={"hold": "5m", "then": "pause"})
    made.world.dark = True
    assert made.run(120).phase == "holding back"
    made.world.dark = False
    assert made.run(30).phase == "promoted"


def test_a_person_may_skip_it_or_end_it():
    skipped, ended = held(), held()
    say(skipped, "promote")
    skipped.controller.tick()
    assert skipped.state.phase == "promoted"
    say(ended, "abort")
    ended.controller.tick()
    assert ended.state.phase == "rolled back"


def test_after_a_pause_it_begins_anew():
    made = held()
    say(made, "pause")
    made.run(90)
    assert made.state.phase == "paused"
    say(made, "resume")
    assert made.run().phase == "promoted"
    assert made.actions[-5:] == ["hold back", "pause", "resume", "hold back", "promote"]
    again, promoted = [d for d in made.decisions if d.action in {"hold back", "promote"}][-2:]
    assert promoted.at - again.at >= 60


def test_a_share_that_contradicts_the_weight_is_no_promotion():
    made = held()
    made.router.share = lambda _plan: 0.5
    made.run(120)
    assert made.state.phase == "holding back"
    assert made.decisions[-1].reasons == ("exposure-mismatch",)


def test_somebody_who_moves_the_weights_meanwhile_is_noticed():
    made = held()
    made.router.write(made.plan, Split(100, 100), "by hand")
    made.run(5)
    assert (made.state.phase, made.actions[-1]) == ("paused", "pause")


def test_restarting_at_any_tick_changes_nothing():
    through, stopped = (lab(holdback={"share": "5%", "lasts": "10s"}) for _ in range(2))
    through.run()
    stopped.run_until(lambda state: state.phase == "holding back")
    while not stopped.state.terminal:
        stopped.restart()
        stopped.controller.tick()
        stopped.clock.sleep(0.5)
    assert [e.hash for e in stopped.entries] == [e.hash for e in through.entries]


def test_a_promotion_by_a_person_after_the_deadline_waits_for_a_slow_mesh():
    made = Lab(GOOD, plan=plan(deadline="40s", whenInconclusive="pause"))
    made.run_until(lambda state: state.phase == "paused")
    made.router.stuck = True
    say(made, "promote")
    made.run(5)
    assert made.state.phase == "promoting", "the deadline that was over is no reason any more"
    made.router.stuck = False
    assert made.run(10).phase == "promoted"
