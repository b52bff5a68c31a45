"""What must not happen once: counted from the canary's first request on, whatever the evidence."""

from dataclasses import replace
from typing import Any

import pytest

from analysis.counting.cursor import Series
from rollout.decide.fold import fold_all
from rollout.decide.step import step
from tests.support.worlds import Behaviour, Lab, plan

ERRORS = {"name": "errors", "template": "envoy/errors", "margin": {"absolute": "2%"}}
LEAKS = {
    "name": "leaks",
    "counter": {"series": "outputs_total", "bad": {"identifier": "!="}, "unit": "outputs"},
    "labels": {"version": "v"},
}


def lab(leaked, never=None, has_stable=True, canary=None, **spec):
    """A world with so many leaks of a version by the requests of the canary that were answered."""
    guardrails = [ERRORS, {**LEAKS, "never": never or {"count": 1}}]
    rollout = Lab(canary or Behaviour(), plan=plan(guardrails=guardrails, **spec), rate=200.0)
    world: Any = rollout.world
    answer = world._answer

    def answer_with_leaks(asked):
        answered = answer(asked)
        every = [s for s in answered.series.get("leaks", ()) if has_stable or s.arm == "canary"]
        leaks = [
            Series("leak", series.arm, ((at, (float(n),)),), bad=True)
            for series in every
            for at, (units,) in series.samples
            if (n := leaked(series.arm, units))
        ]
        series = {**answered.series, "leaks": (*every, *leaks)}
        return replace(answered, series={name: s for name, s in series.items() if s})

    world._answer = answer_with_leaks
    return rollout


def nothing(_arm, _units):
    return 0


def once(arm, units):
    return int(arm == "canary" and units > 100)


def thrice(arm, units):
    return min(int(units // 300), 3) if arm == "canary" else 0


@pytest.mark.parametrize("has_stable", [True, False])
def test_a_canary_that_does_nothing_of_the_kind_is_promoted(has_stable):
    rollout = lab(nothing, has_stable=has_stable)
    assert rollout.run().phase == "promoted"
    assert "leaks: none of the canary's " in rollout.decisions[-1].sentence


@pytest.mark.parametrize("has_stable", [True, False])
def test_one_occurrence_rolls_back_at_once_and_is_told_as_such(has_stable):
    rollout = lab(once, has_stable=has_stable, warmup="60s")  # it ends within the warm-up
    assert rollout.run().phase == "rolled back"
    decided = rollout.decisions[-1]
    assert "1 of the canary's " in decided.sentence
    assert "outputs is bad; this guardrail allows none" in decided.sentence
    assert "chance" not in decided.sentence
    for index, entry in enumerate(rollout.entries):
        if entry.fact.kind == "decided":
            before = fold_all((e.seq, e.fact) for e in rollout.entries[:index])
            assert step(before, entry.fact.at, rollout.plan.id) == entry.fact


@pytest.mark.parametrize(("count", "phase"), [(3, "rolled back"), (4, "promoted")])
def test_as_many_as_the_plan_says_roll_back(count, phase):
    rollout = lab(thrice, {"count": count})
    assert rollout.run().phase == phase
    if count == 3:
        assert "are bad; this guardrail allows at most 2" in rollout.decisions[-1].sentence


def test_what_stable_does_is_none_of_its_business():
    assert lab(lambda arm, units: int(arm == "stable" and units // 100)).run().phase == "promoted"


def test_without_any_data_nothing_is_safe():
    rollout = lab(nothing, deadline="60s", whenInconclusive="rollback")
    rollout.world.hidden.add("leaks")
    assert rollout.run(200).phase == "rolled back"
    assert "promote" not in rollout.actions


def test_a_holdback_goes_on_counting():
    rollout = lab(
        lambda arm, units: int(arm == "canary" and units > 9000),
        deadline="10m",
        holdback={"share": "5%", "lasts": "5m"},
    )
    assert rollout.run(600).phase == "rolled back"
    assert "hold back" in rollout.actions
