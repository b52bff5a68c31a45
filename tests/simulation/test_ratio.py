"""A ratio of sums is told and decides nothing, but for a plain bound that a promotion waits for."""

from dataclasses import replace
from typing import Any

import pytest

from rollout.decide.fold import fold_all
from rollout.decide.step import step
from tests.support.worlds import Behaviour, Lab, plan

ERRORS = {"name": "errors", "template": "envoy/errors", "margin": {"absolute": "2%"}}
TOKENS = {
    "name": "tokens",
    "ratio": {
        "sum": {"series": "tokens_total"},
        "count": {"series": "calls_total"},
        "unit": "tokens",
        "per": "call",
    },
    "labels": {"version": "v"},
}


def lab(times_longer=1.0, times=None, canary=None, **spec):
    """A world in which the canary's answers are so many times as long as stable's."""
    bound = {} if times is None else {"times": times}
    world_plan = plan(guardrails=[ERRORS, TOKENS | bound], **spec)
    rollout = Lab(canary or Behaviour(), plan=world_plan, rate=200.0)
    world: Any = rollout.world
    answer = world._answer

    def answer_at_length(asked):
        answered = answer(asked)
        longer = [
            replace(series, samples=((at, (round(units * times_longer),)),))
            if series.amount and series.arm == "canary"
            else series
            for series in answered.series.get("tokens", ())
            for at, (units,) in series.samples
        ]
        series = {**answered.series, "tokens": tuple(longer)}
        return replace(answered, series={name: s for name, s in series.items() if s})

    world._answer = answer_at_length
    return rollout


def verdict_of(rollout, name="tokens"):
    return rollout.decisions[-1].numbers["guardrails"][name]


@pytest.mark.parametrize("times_longer", [0.2, 1.0, 9.0])
def test_what_is_only_shown_rolls_nothing_back_and_holds_nothing_up(times_longer):
    slow: Any = {"ramp": {"steps": ["10%", "50%"], "bake": "40s"}}  # enough looks for an interval
    other = Lab(Behaviour(), plan=plan(guardrails=[ERRORS], **slow), rate=200.0)
    rollout = lab(times_longer, **slow)
    assert rollout.run().phase == other.run().phase == "promoted"
    assert rollout.actions == other.actions
    numbers = verdict_of(rollout)
    assert numbers["verdict"] == "shown"
    assert numbers["ratio"] == pytest.approx(times_longer, rel=0.02)
    assert numbers["ratio_low"] <= numbers["ratio"] <= numbers["ratio_high"]
    assert "tokens a call, " in rollout.decisions[-1].sentence
    assert "; shown only" in rollout.decisions[-1].sentence
    assert "chance" not in rollout.decisions[-1].sentence
    for index, entry in enumerate(rollout.entries):
        if entry.fact.kind == "decided":
            before = fold_all((e.seq, e.fact) for e in rollout.entries[:index])
            assert step(before, entry.fact.at, rollout.plan.id) == entry.fact


@pytest.mark.parametrize("fault", ["hidden", "broken"])
def test_what_is_only_shown_blinds_nothing_when_it_is_gone(fault):
    rollout = lab()
    getattr(rollout.world, fault).add("tokens")
    assert rollout.run().phase == "promoted"
    assert verdict_of(rollout)["verdict"] == "shown"
    assert "tokens: nothing measured yet" in rollout.decisions[-1].sentence


def test_it_takes_no_share_of_the_error_rates():
    alone = Lab(Behaviour(errors=0.2), plan=plan(guardrails=[ERRORS]), rate=200.0)
    beside = lab(9.0, canary=Behaviour(errors=0.2))
    assert alone.run().phase == beside.run().phase == "rolled back"
    assert verdict_of(alone, "errors")["harm"] == verdict_of(beside, "errors")["harm"]


def test_a_promotion_waits_for_the_plans_bound_and_says_so():
    rollout = lab(2.0, times="150%", deadline="4m", whenInconclusive="pause")
    assert rollout.run(400).phase == "paused"
    assert "promote" not in rollout.actions
    assert "roll back" not in rollout.actions
    text = rollout.decisions[-1].sentence
    assert "2 times stable's" in text
    assert "a promotion waits for at most 1.5 times" in text


def test_within_the_bound_it_promotes_and_says_that_no_error_rate_holds():
    rollout = lab(1.2, times=1.5)
    assert rollout.run().phase == "promoted"
    assert verdict_of(rollout)["verdict"] == "safe"
    assert "the plan's bound is 1.5, without an error rate" in rollout.decisions[-1].sentence


def test_a_bound_without_data_is_blind_and_not_kept():
    rollout = lab(times=1.5, deadline="10m", whenInconclusive="rollback")
    rollout.world.hidden.add("tokens")
    assert rollout.run(400).phase in {"rolled back", "paused"}
    assert "promote" not in rollout.actions


def test_single_requests_may_add_any_number():
    """A sum that leaps is no sign of two processes at one address; a count that leaps still is."""
    rollout = lab()
    world: Any = rollout.world
    answer = world._answer

    def answer_with_one_giant(asked):
        answered = answer(asked)
        giant = [
            replace(s, samples=tuple((at, (u + 10**8 * (u > 10**5),)) for at, (u,) in s.samples))
            if s.amount and s.arm == "canary"
            else s
            for s in answered.series.get("tokens", ())
        ]
        series = {**answered.series, "tokens": tuple(giant)}
        return replace(answered, series={n: s for n, s in series.items() if s})

    world._answer = answer_with_one_giant
    assert rollout.run().phase == "promoted"
    assert verdict_of(rollout)["ratio"] > 5
    assert all(
        "tokens" not in e.fact.problems for e in rollout.entries if e.fact.kind == "observed"
    )
