"""Worlds as people write them, what they do to a canary, and whether a plan allows that."""

import pytest

from rollout.errors import InputError
from rollout.rehearse.scenario import Rate, Scenario, parse, usual_scenarios
from rollout.simulate import Behaviour
from tests.support.worlds import plan

STABLE = Behaviour()


@pytest.mark.parametrize(
    ("text", "change"),
    [
        ("bad:errors=3x", Scenario("bad", errors=Rate(3.0))),
        ("bad:errors=+1%", Scenario("bad", errors=Rate(1.0, 0.01))),
        ("bad:errors=-0.1%", Scenario("bad", errors=Rate(1.0, -0.001))),
        ("bad:fails=4%", Scenario("bad", fails=Rate(0.0, 0.04))),
        ("slow: latency=+50%", Scenario("slow", latency=1.5)),
        ("fast:latency=-10%", Scenario("fast", latency=0.9)),
        ("slow:latency=1.5x", Scenario("slow", latency=1.5)),
        ("dead:crash", Scenario("dead", errors=Rate(0.0, 1.0))),
        ("a b:errors=2x, score=-0.05", Scenario("a b", errors=Rate(2.0), score=-0.05)),
    ],
)
def test_worlds_are_read(text, change):
    assert parse(text) == change


@pytest.mark.parametrize(
    "text",
    [
        *("", "bad", ":errors=2x", "bad:", "bad:errors", "bad:errors=2", "bad:errors=0x"),
        *("bad:errors=200%", "bad:latency=50%", "bad:latency=-100%", "bad:score=low"),
        *("bad:score=nan", "bad:crash=1", "bad:colour=red", "bad:errors=2x;score=1"),
    ],
)
def test_what_is_no_world_is_refused_with_the_grammar(text):
    with pytest.raises(InputError, match="NAME:CHANGE"):
        parse(text)


def test_rates_stay_shares():
    assert Rate(3.0).of(0.5) == 1.0
    assert Rate(1.0, -0.1).of(0.05) == 0.0


def test_a_change_is_applied_to_distributions_and_rates():
    canary = Scenario("x", errors=Rate(2.0), latency=1.2, score=-0.03).of(STABLE)
    assert (canary.errors, canary.fails) == (0.01, STABLE.fails)
    assert canary.median_ms == pytest.approx(60.0)
    assert canary.score == pytest.approx(0.57)


def test_recorded_buckets_move_like_the_distribution_they_were_recorded_from():
    recorded = Behaviour(latency_shares=tuple(STABLE.latency), score_shares=tuple(STABLE.scores))
    change = Scenario("x", latency=1.25, score=-0.04)
    moved, exact = change.of(recorded), change.of(STABLE)
    assert moved.latency == pytest.approx(exact.latency, abs=1e-3)
    assert moved.scores == pytest.approx(exact.scores, abs=1e-3)
    assert Scenario("same").of(recorded) == recorded


@pytest.mark.parametrize(
    ("change", "broken"),
    [
        (Scenario("same"), []),
        (Scenario("x", errors=Rate(3.0)), []),  # .5 % more: exactly the margin
        (Scenario("x", errors=Rate(3.1)), ["errors"]),
        (Scenario("x", latency=1.25), []),
        (Scenario("x", latency=1.26), ["latency"]),
        (Scenario("x", score=-0.04), []),
        (Scenario("x", score=-0.041), ["accuracy"]),
        (Scenario("x", latency=0.5, score=0.2), []),
        (Scenario("x", fails=Rate(9.0)), []),
    ],
)
def test_what_a_plan_does_not_allow(change, broken):
    assert [g.name for g in plan().spec.guardrails if change.breaks(g, STABLE)] == broken


def test_only_what_is_guarded_is_rehearsed():
    names = [change.name for change in usual_scenarios(plan())]
    assert names == ["same", "2x errors", "+20 % latency", "-0.03 score"]
    verdict = {"name": "facts", "template": "quality/verdict", "margin": {"absolute": "1%"}}
    assert [change.name for change in usual_scenarios(plan(guardrails=[verdict]))] == [
        "same",
        "2x fails",
    ]
