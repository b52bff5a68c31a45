"""Calibrations: honest engines hold, dishonest ones are found, and each is the same again."""

import pytest

from rollout.calibrate.draw import recorded
from rollout.calibrate.replay import Replay
from rollout.calibrate.runs import Calibration, calibrate, replay_once
from rollout.ports import PodHistory
from tests.support.pods import past_of, pods_plan

ERRORS = [{"name": "errors", "template": "envoy/errors", "margin": {"ratio": 1.2}}]
FAST = {"steps": ["50%"], "bake": "8s"}


def of_errors(past, **pods):
    plan = pods_plan(pods, guardrails=ERRORS, ramp=FAST, deadline="2m")
    return recorded(plan, {"errors": past["errors"]})


@pytest.fixture(scope="module")
def even():
    return of_errors(past_of(pods=8, base=0.05))


@pytest.fixture(scope="module")
def uneven():
    """Pods whose error rates differ for good by a factor of about 2."""
    return of_errors(past_of(pods=8, base=0.05, sd=0.7, rate=200))


def test_a_run_is_the_same_again_and_another_number_is_another_run(even):
    assert replay_once(even, (1, 3)) == replay_once(even, (1, 3))
    everything = recorded(pods_plan(), past_of())
    assert replay_once(everything, (1, 2)).outcome == "promoted"


@pytest.mark.no_cover  # many runs of what other tests cover
def test_even_pods_are_not_rolled_back(even):
    outcome = calibrate(even, 40, seed=1)
    assert outcome.rolled_back <= 1
    assert outcome.runs == 40
    assert outcome.bound < 0.12


@pytest.mark.parametrize(
    "strategy",
    [
        {"ramp": {"blueGreen": {"before": "40s"}, "bake": "8s"}},
        {"traffic": {"mirror": {"share": "50%", "lasts": "20s"}}},
        {"traffic": {"segment": {"header": {"name": "a", "exact": "b"}, "share": "50%"}}},
    ],
    ids=["before and after", "copies", "segment"],
)
def test_every_strategy_can_be_replayed(strategy):
    spec = {"guardrails": ERRORS, "ramp": FAST, "deadline": "4m", **strategy}
    past = recorded(pods_plan({}, **spec), {"errors": past_of(pods=8, base=0.05)["errors"]})
    outcome = calibrate(past, 6, seed=1)
    assert (outcome.runs, outcome.rolled_back) == (6, 0)


@pytest.mark.no_cover  # many runs of what other tests cover
def test_pods_that_differ_for_good_break_an_engine_that_knows_nothing_of_them(uneven, monkeypatch):
    monkeypatch.setattr(Replay, "history", lambda *_: PodHistory())
    outcome = calibrate(uneven, 40, seed=1)
    assert outcome.rolled_back >= 10
    assert outcome.reasons == {"harmful:errors": outcome.rolled_back}
    fact = outcome.fact(uneven, 5.0, 1)
    assert not fact.holds
    assert (fact.runs, fact.rolled_back, fact.alpha) == (40, outcome.rolled_back, 0.01)
    assert (fact.pods, fact.canary_pods, fact.history, fact.window) == (8, 2, 2880.0, 120.0)


@pytest.mark.no_cover  # many runs of what other tests cover
def test_what_their_past_says_saves_most_of_them(uneven):
    assert calibrate(uneven, 40, seed=1).rolled_back <= 3


def test_without_a_valid_test_nothing_is_known_of_the_rate():
    sparse = of_errors(past_of(pods=3), canary=2)  # one pod is left for stable
    outcome = calibrate(sparse, 5, seed=1)
    assert (outcome.runs, outcome.untested, outcome.rate, outcome.bound) == (0, 5, None, 1.0)
    assert outcome.reasons == {"no-valid-test:errors": 5}


def test_blind_replays_do_not_count():
    plan = pods_plan(
        guardrails=[{"name": "latency", "template": "envoy/latency", "tolerance": "1%"}]
    )
    outcome = calibrate(recorded(plan, {"latency": past_of()["latency"]}), 3, seed=1)
    assert (outcome.runs, outcome.untested) == (0, 3)


@pytest.mark.no_cover  # many runs of what other tests cover
def test_processes_change_nothing(even):
    alone: list[int] = []
    outcome = calibrate(even, 50, seed=2, on_done=alone.append)
    assert sum(alone) == 50
    assert sum(outcome.outcomes.values()) == 50
    first = [replay_once(even, (2, number)).outcome for number in range(50)]
    assert outcome.outcomes == {name: first.count(name) for name in sorted(set(first))}


def test_a_calibration_holds_by_its_bound_not_by_its_rate():
    few = Calibration({"promoted": 100})
    many = Calibration({"promoted": 1000})
    assert few.rate == many.rate == 0
    assert few.bound > 0.01 > many.bound
