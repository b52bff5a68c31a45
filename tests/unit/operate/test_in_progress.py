"""Which rollouts are under way, as a journal's states and a namespace's plans tell."""

from __future__ import annotations

from dataclasses import replace

import pytest

from rollout.operate.in_progress import of_resources, of_states
from tests.support.routes import gateway, istio, plan
from tests.support.worlds import GOOD, Lab

PLAN, ISTIO = istio(), {"istio": {"virtualService": "reviews"}}


@pytest.fixture(scope="module")
def state():
    return replace(Lab(GOOD).run_until(lambda state: state.split.canary > 0), plan=PLAN)


def test_a_rollout_that_has_not_ended_is_under_way(state):
    (problem,) = of_states(PLAN, [state])
    assert problem == f"rollout {PLAN.id} is stepping in the journal"
    assert [*of_states(PLAN, [replace(state, phase="promoted")])] == []


@pytest.mark.parametrize("other", [istio("elsewhere"), gateway(), plan(ISTIO, service="ratings")])
def test_another_s_rollout_is_none_of_its_business(state, other):
    assert [*of_states(other, [state])] == []


def resource(phase=None, service="reviews", **conditions):
    held = [{"type": key, "status": status} for key, status in conditions.items()]
    status = {"conditions": held} | ({"phase": phase} if phase else {})
    return {"metadata": {"name": "a"}, "spec": {"service": service}, "status": status}


@pytest.mark.parametrize(
    ("resource", "problems"),
    [
        (resource("stepping"), ["the RolloutPlan a is stepping"]),
        ({**resource(), "status": None}, ["the RolloutPlan a is not started yet"]),
        (resource("promoted", Pending="True"),
         ["the RolloutPlan a has an edit that is not started yet"]),
        (resource("promoted", Pending="False"), []),
        (resource("refused"), []),
        (resource("undone"), []),
        (resource("stepping", "ratings"), []),
    ],
)  # fmt: skip
def test_what_a_plan_s_status_tells(resource, problems):
    assert [*of_resources(PLAN, [resource])] == problems
