"""Whether a rollout of a service is under way, as a journal and a namespace's plans tell it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from rollout.decide.state.rollout import TERMINAL, RolloutState
from rollout.kube.kinds import Json
from rollout.plan.model.plan import Plan
from rollout.tick.fleet import place_of

_STILL = frozenset({*TERMINAL, "refused"})


def of_states(plan: Plan, states: Iterable[RolloutState]) -> Iterator[str]:
    """Each rollout of the plan's service that has not ended, in words."""
    for state in states:
        other = state.plan
        same_mesh = other.spec.route.mesh == plan.spec.route.mesh
        if same_mesh and place_of(other) == place_of(plan) and not state.terminal:
            yield f"{other.id} is {state.phase}, says the journal"


def of_resources(plan: Plan, resources: Iterable[Json]) -> Iterator[str]:
    """Each RolloutPlan of the plan's service whose rollout has not ended, or is about to begin."""
    for each in resources:
        if (each.get("spec") or {}).get("service") != plan.spec.service:
            continue
        name, status = each["metadata"]["name"], each.get("status") or {}
        phase = status.get("phase")
        conditions = status.get("conditions") or []
        if phase not in _STILL:
            yield f"the RolloutPlan {name} is {phase or 'yet to begin'}"
        elif any(held["type"] == "Pending" and held["status"] == "True" for held in conditions):
            yield f"the RolloutPlan {name} has an edit that is about to begin"
