"""Calibrations: honest engines hold, dishonest ones are found, and each is the same again."""

import pytest

from rollout.calibrate.draw import recorded
from rollout.calibrate.replay import Replay
from rollout.calibrate.runs import Calibration, calibrate, replay_once
from rollout.cli.text.calibration import as_document
from rollout.errors import InputError
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


def of_kind(name, past, **kind):
    plan = pods_plan({}, guardrails=[{"name": name, **kind}], ramp=FAST, deadline="2m")
    return recorded(plan, {name: past[name]})


MARGIN = {"margin": {"absolute": "2%"}}
TOKENS = {"histogram": {"series": "tokens", "unit": "tokens"}, "labels": {"version": "v"}}


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("latency", {"template": "envoy/latency", "slower": {"than": "130ms", **MARGIN}}),
        ("latency", {**TOKENS, "above": {"value": 130, **MARGIN}}),
        ("accuracy", {"template": "quality/score", "below": {"score": 0.4, **MARGIN}}),
    ],
)
def test_shares_beyond_an_edge_are_replayed_as_rates(name, kind):
    outcome = calibrate(of_kind(name, past_of(pods=8, rate=200), **kind), 6, seed=1)
    assert outcome.outcomes == {"promoted": 6}


def test_an_edge_that_no_bucket_has_is_told_before_any_replay():
    slower = {"than": "250ms", **MARGIN}
    with pytest.raises(InputError, match="latency: no bucket ends at 250 ms: the nearest edges"):
        of_kind("latency", past_of(), template="envoy/latency", slower=slower)


@pytest.mark.parametrize(("limit", "rolled_back"), [("8%", 0), ("2%", 6)])
def test_a_limit_that_stable_itself_breaks_is_no_false_rollback(limit, rolled_back):
    past = of_kind("errors", past_of(pods=8, base=0.05), template="envoy/errors", limit=limit)
    outcome = calibrate(past, 6, seed=1)
    assert outcome.rolled_back == rolled_back
    remarks = as_document(past, outcome, 1)["remarks"]
    assert bool(remarks) == bool(rolled_back)
    assert all("its rollbacks are no false ones" in remark for remark in remarks)


def test_what_must_not_happen_is_left_out_and_told():
    never = {"name": "leaks", "template": "envoy/errors", "never": {"count": 1}}
    plan = pods_plan({}, guardrails=[*ERRORS, never], ramp=FAST, deadline="2m")
    past = recorded(plan, {"errors": past_of(pods=8, base=0.05)["errors"]})
    outcome = calibrate(past, 6, seed=1)
    assert (outcome.runs, outcome.rolled_back) == (6, 0)
    document = as_document(past, outcome, 1)
    assert document["remarks"] == ["leaks left out: what must not happen is in no error rate"]
    assert outcome.fact(past, 5.0, 1).rollout == plan.id, "it stands for the whole plan"
    with pytest.raises(InputError, match="in no error rate"):
        recorded(pods_plan({}, guardrails=[never]), {})
