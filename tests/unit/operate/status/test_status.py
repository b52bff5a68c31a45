"""States, entries and readings as conditions, statuses and Events."""

from __future__ import annotations

import re

import pytest

from rollout.decide.record.facts import Decided, HumanSaid, Observed
from rollout.decide.record.route_facts import Confirmed, Drifted, RouteFailed
from rollout.decide.record.split import Split
from rollout.operate.status.conditions import (
    LIMIT,
    PlanAcceptance,
    RolloutCondition,
    camel,
    dated,
    of_reading,
    utc,
)
from rollout.operate.status.events import event_of
from rollout.operate.status.status import RolloutStory, with_rollout, without_rollout
from rollout.ports import Entry
from tests.support.plans import resource
from tests.support.worlds import BAD, Lab

HALF = Split(50, 100)


def entry(fact):
    return Entry(7, fact, "", "a1b2c3d4e5f6" * 4)


def decided(action, *reasons):
    sentence = f"{action} it"
    fact = Decided(rollout="r", at=1, action=action, split=HALF, reasons=reasons, sentence=sentence)
    return entry(fact)


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ("human:abort", "HumanAbort"),
        ("harmful:5xx-rate", "Harmful5xxRate"),
        ("rolled back", "RolledBack"),
        ("::", "Unknown"),
    ],
)
def test_a_reason_is_one_word_that_kubernetes_takes(words, reason):
    assert camel(words) == reason
    assert re.fullmatch(r"[A-Za-z0-9]+", reason)


@pytest.mark.parametrize(
    ("news", "kind", "reason"),
    [
        (decided("advance"), "Normal", "Advance"),
        (decided("roll back", "harmful:errors"), "Warning", "RollBack"),
        (decided("hold", "blind:errors"), "Warning", "Blind"),
        (entry(HumanSaid(rollout="r", at=1, command="pause", actor="ada")), "Normal", "Asked"),
        (entry(Drifted(rollout="r", at=1, seen=HALF)), "Warning", "Drifted"),
        (
            entry(RouteFailed(rollout="r", at=1, decision=3, problem="no", attempt=1)),
            *("Warning", "RouteFailed"),
        ),
    ],
)
def test_news_become_events(news, kind, reason):
    event = event_of(resource(), news, "stepping")
    assert event is not None
    assert (event["type"], event["reason"]) == (kind, reason)
    assert event["metadata"]["name"] == "demo.00000007.a1b2c3d4e5f6"
    assert event["involvedObject"]["uid"] == "uid-demo"


@pytest.mark.parametrize(
    "news",
    [
        decided("hold", "baking"),
        entry(Observed(rollout="r", at=1)),
        entry(Confirmed(rollout="r", at=1, decision=3, split=HALF)),
        entry(RouteFailed(rollout="r", at=1, decision=3, problem="no", attempt=2)),
    ],
)
def test_what_is_no_news_is_no_event(news):
    assert event_of(resource(), news, "stepping") is None


@pytest.mark.parametrize(
    ("phase", "reason"), [("promoted", "Promoted"), ("rolled back", "RolledBack")]
)
def test_an_end_is_told_when_the_mesh_has_confirmed_it(phase, reason):
    confirmation = entry(Confirmed(rollout="r", at=1, decision=3, split=HALF))
    event = event_of(resource(), confirmation, phase)
    assert event is not None
    assert (event["reason"], event["message"]) == (reason, "the mesh shows 50 % for the canary")


def test_a_long_message_is_cut_to_what_the_api_server_takes():
    long = decided("advance")
    long = entry(long.fact.model_copy(update={"sentence": "x" * 5000}))
    event = event_of(resource(), long, "stepping")
    assert event is not None
    assert len(event["message"]) == 1000
    (condition,) = dated(
        [RolloutCondition("Blind", holds=True, reason="R", message="x" * 99999)], [], 1, 0
    )
    assert len(condition.message) == LIMIT


def test_times_of_conditions_change_with_their_status_only():
    before = [{"type": "Blind", "status": "True", "lastTransitionTime": utc(5)}]
    same = dated([RolloutCondition("Blind", holds=True, reason="Other")], before, 1, 99)
    other = dated([RolloutCondition("Blind", holds=False, reason="Sighted")], before, 1, 99)
    assert (same[0].last_transition_time, other[0].last_transition_time) == (utc(5), utc(99))


def test_a_plan_that_was_never_started_has_no_weight():
    status = without_rollout(resource(), PlanAcceptance("Invalid", ("a", "b")), 0)
    assert status.keys() == {"observedGeneration", "phase", "conditions"}
    assert status["conditions"][0]["message"] == "a\nb"


def test_pending_names_both_rollouts():
    (_, pending) = of_reading(PlanAcceptance(pending="demo-2", running="demo-1"))
    assert pending.message.startswith("demo-2 starts when demo-1 has ended")


@pytest.fixture(scope="module")
def lab():
    return Lab(canary=BAD)


def test_status_through_a_rollout(lab):
    lab.run_until(lambda state: state.phase == "stepping" and not state.delivery.is_open)
    newest = lab.entries[-1]
    story = RolloutStory(lab.plan.id, lab.state, newest, newest)
    status = with_rollout(resource(), PlanAcceptance(), story, lab.clock.now())
    assert (status["phase"], status["weight"], status["wanted"]) == ("stepping", "5%", "5%")
    assert status["journal"] == {"entry": newest.seq, "hash": newest.hash}
    assert {guardrail["name"] for guardrail in status["guardrails"]} == {
        "errors",
        "latency",
        "accuracy",
    }
    lab.run()
    story = RolloutStory(lab.plan.id, lab.state, lab.entries[-1])
    status = with_rollout(resource(), PlanAcceptance(), story, lab.clock.now())
    assert (status["phase"], status["weight"], status["verdict"]) == (
        "rolled back",
        "0%",
        "harmful",
    )
    held = {condition["type"]: condition["status"] for condition in status["conditions"]}
    assert held == {
        "Accepted": "True",
        "Progressing": "False",
        "Blind": "False",
        "Promoted": "False",
        "RolledBack": "True",
    }


def test_what_the_mesh_refuses_is_told():
    lab = Lab()
    lab.run_until(lambda state: state.phase == "stepping")
    lab.router.down = "no route"
    lab.run_until(lambda state: bool(state.route_problem))
    story = RolloutStory(lab.plan.id, lab.state, lab.entries[-1])
    status = with_rollout(resource(), PlanAcceptance(), story, lab.clock.now())
    (progressing,) = [
        condition for condition in status["conditions"] if condition["type"] == "Progressing"
    ]
    assert progressing["message"].count("no route") == 1


@pytest.mark.parametrize(("created_after", "says"), [(-60, False), (60, True)])
def test_a_plan_that_was_carried_out_before_it_was_applied_says_what_begins_anew(
    lab, created_after, says
):
    lab.run()
    declared = resource()
    declared["metadata"]["creationTimestamp"] = utc(lab.state.delivery.confirmed_at + created_after)
    story = RolloutStory(lab.plan.id, lab.state, lab.entries[-1])
    accepted = with_rollout(declared, PlanAcceptance(), story, lab.clock.now())["conditions"][0]
    assert accepted["status"] == "True"
    assert ("surefoot.dev/retry" in accepted["message"]) is says
