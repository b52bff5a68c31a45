"""Shares beyond an edge are judged as errors are: promoted, rolled back, told, decided again."""

from dataclasses import replace

import pytest

from rollout.decide.fold import fold_all
from rollout.decide.step import step
from rollout.simulate import SCORE_EDGES
from tests.support.worlds import Behaviour, Lab, plan

ERRORS = {"name": "errors", "template": "envoy/errors", "margin": {"absolute": "2%"}}
SLOW = {"than": "83.3ms", "margin": {"absolute": "5%"}}
LOW = {"score": 0.5, "margin": {"absolute": "5%"}}
GUARDS = {
    "slow": {"name": "slow", "template": "envoy/latency", "slower": SLOW},
    "seconds": {
        "name": "slow",
        "histogram": {"series": "app_seconds", "unit": "s"},
        "labels": {"version": "v"},
        "slower": SLOW,
    },
    "low": {"name": "low", "template": "quality/score", "below": LOW, "lag": "8s"},
}
WORSE = {
    "slow": Behaviour(tail_share=0.2),
    "seconds": Behaviour(tail_share=0.2),
    "low": Behaviour(score=0.52),
}


def lab(kind, canary=None, **spec):
    guardrails = [ERRORS, GUARDS[kind]]
    return Lab(canary or Behaviour(), plan=plan(guardrails=guardrails, **spec), rate=200.0)


def replays(rollout):
    for index, entry in enumerate(rollout.entries):
        if entry.fact.kind == "decided":
            before = fold_all((e.seq, e.fact) for e in rollout.entries[:index])
            assert step(before, entry.fact.at, rollout.plan.id) == entry.fact


@pytest.mark.parametrize("kind", GUARDS)
def test_a_canary_that_changes_nothing_is_promoted(kind):
    rollout = lab(kind)
    assert rollout.run().phase == "promoted"
    sentence = rollout.decisions[-1].sentence
    happened = "scores were 0.5 or less" if kind == "low" else "requests took longer than 83.3 ms"
    assert f"of the canary's {happened}, stable's " in sentence
    replays(rollout)


@pytest.mark.parametrize("kind", GUARDS)
def test_a_canary_with_more_beyond_the_edge_is_rolled_back_and_told_why(kind):
    rollout = lab(kind, WORSE[kind])
    assert rollout.run().phase == "rolled back"
    sentence = rollout.decisions[-1].sentence
    assert f"{GUARDS[kind]['name']} more than 5 points above stable: " in sentence
    assert ", stable's " in sentence
    replays(rollout)


def test_more_beyond_another_edge_is_no_harm():
    # A tenth is slower by far, and that is within the 15 points that the plan allows.
    guard = {**GUARDS["slow"], "slower": {**SLOW, "margin": {"absolute": "15%"}}}
    rollout = Lab(
        Behaviour(tail_share=0.1, tail_factor=9), plan=plan(guardrails=[ERRORS, guard]), rate=200.0
    )
    assert rollout.run().phase == "promoted"


def test_a_slow_start_is_no_crash():
    # All of the warm-up's answers are slow; of an error the crash watch would make an end of it.
    rollout = lab("slow", Behaviour(median_ms=500.0), warmup="40s")
    rollout.run_until(lambda state: state.stepped)
    rollout.run(20)
    assert not rollout.state.is_terminal
    rollout.world.behaviours = {"v1": Behaviour(), "v2": Behaviour()}
    assert rollout.run().phase == "promoted"


def test_an_edge_that_no_bucket_has_is_blind_and_says_which_are_near():
    guard = {**GUARDS["slow"], "slower": {**SLOW, "than": "80ms"}}
    rollout = Lab(Behaviour(), plan=plan(guardrails=[ERRORS, guard]))
    rollout.run_until(lambda state: bool(state.guardrails["slow"].problem))
    assert rollout.state.guardrails["slow"].problem == (
        "no bucket ends at 80 ms: the nearest edges are 74.5 ms and 83.3 ms"
    )
    assert rollout.run().phase == "rolled back"
    assert "blind" in rollout.decisions[-1].sentence


def test_scores_that_are_none_are_not_the_best():
    nothing = tuple([0.0] * len(SCORE_EDGES) + [1.0])
    broken = Behaviour(
        score_shares=tuple(
            0.6 * x + 0.4 * y for x, y in zip(Behaviour().scores, nothing, strict=True)
        )
    )
    rollout = lab("low", broken, deadline="2m")
    answer = rollout.world._answer  # a real observer tells what it knows of births
    rollout.world._answer = lambda asked: replace(answer(asked), origins={"low": {}})
    rollout.run()
    assert rollout.state.phase == "rolled back"
    assert "NaN or beyond the scale" in rollout.state.guardrails["low"].problem
