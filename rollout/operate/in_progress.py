"""Finds rollouts of a service in progress, in a journal or in the cluster."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from rollout.decide.state.rollout import TERMINAL, RolloutState
from rollout.kube.kinds import Json
from rollout.plan.model.plan import Plan
from rollout.tick.fleet import service_key

_IDLE_PHASES = frozenset({*TERMINAL, "refused"})


def of_states(plan: Plan, states: Iterable[RolloutState]) -> Iterator[str]:
    """Describe each rollout of the plan's service that has not ended."""
    for state in states:
        other = state.plan
        same_mesh = other.spec.route.mesh == plan.spec.route.mesh
        if same_mesh and service_key(other) == service_key(plan) and not state.is_terminal:
            yield f"rollout {other.id} is {state.phase} in the journal"


def of_resources(plan: Plan, resources: Iterable[Json]) -> Iterator[str]:
    """Describe each RolloutPlan of the plan's service that is in progress or about to start."""
    for resource in resources:
        if (resource.get("spec") or {}).get("service") != plan.spec.service:
            continue
        name, status = resource["metadata"]["name"], resource.get("status") or {}
        phase = status.get("phase")
        conditions = status.get("conditions") or []
        if phase not in _IDLE_PHASES:
            # No phase means that no controller has read the resource yet: it may start any moment.
            yield f"the RolloutPlan {name} is {phase or 'not started yet'}"
        elif any(item["type"] == "Pending" and item["status"] == "True" for item in conditions):
            yield f"the RolloutPlan {name} has an edit that is not started yet"
