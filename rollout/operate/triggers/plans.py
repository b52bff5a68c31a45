"""What each new version of a watched Deployment leads to; every version exactly once."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from pydantic import ValidationError

from rollout.errors import InputError, PlanError
from rollout.kube.kinds import Json
from rollout.plan.kube.resource import name_of, plan_of, told
from rollout.plan.kube.trigger import TriggerStatus, plan_for, watched_of
from rollout.plan.model.plan import Plan
from rollout.tick.fleet import Fleet

_REMEMBERED = 100  # versions in a status; the journal and the plans themselves remember more


@dataclass(frozen=True)
class DesiredPlan:
    """What a trigger wants of the cluster: perhaps a plan, and a status that tells."""

    trigger: Json
    status: Json
    plan: Json | None = None


@dataclass(frozen=True)
class TriggerOutcome:
    """What became of a version."""

    reason: str
    message: str = ""
    version: str = ""
    plan: Json | None = None
    acted: bool = False


def desired_plans(
    triggers: Sequence[Json],
    deployments: Sequence[Json],
    known: Callable[[str], bool],
    fleet: Fleet,
) -> dict[str, DesiredPlan]:
    """Every trigger's wish, by its `namespace/name`.

    `known` tells whether a plan of this `namespace/name` is there, or ever was by the journal.
    """
    there = {name_of(each): each for each in deployments}
    return {name_of(each): _wish(each, _found(each, there, known, fleet)) for each in triggers}


def _wish(trigger: Json, found: TriggerOutcome) -> DesiredPlan:
    """A plan is made only where this says so first: the API server refuses a second of its name."""
    acted = [*(trigger.get("status") or {}).get("acted", [])]
    if found.acted and found.version not in acted:
        acted = [*acted, found.version][-_REMEMBERED:]
    status = TriggerStatus.model_validate(
        {
            "observedGeneration": trigger["metadata"].get("generation", 0),
            "version": found.version,
            "plan": found.plan["metadata"]["name"] if found.plan else "",
            "reason": found.reason,
            "message": found.message,
            "acted": acted,
        }
    )
    made = found.plan if found.reason == "Started" else None
    return DesiredPlan(trigger, status.model_dump(mode="json", by_alias=True), made)


def _found(
    trigger: Json, deployments: Mapping[str, Json], known: Callable[[str], bool], fleet: Fleet
) -> TriggerOutcome:
    try:
        watched = watched_of(trigger)
    except ValidationError as error:
        return TriggerOutcome("Invalid", str(error.errors(include_url=False)[0]["msg"]))
    namespace = trigger["metadata"]["namespace"]
    deployment = deployments.get(f"{namespace}/{watched.deployment}")
    if deployment is None:
        return TriggerOutcome("NoDeployment", f"there is no Deployment {watched.deployment}")
    version = _version(deployment, watched.label)
    if not version:
        said = f"the pods of Deployment {watched.deployment} have no label `{watched.label}`"
        return TriggerOutcome("NoVersion", said)
    return _of_version(trigger, deployment, version, known, fleet)


def _of_version(
    trigger: Json, deployment: Json, version: str, known: Callable[[str], bool], fleet: Fleet
) -> TriggerOutcome:
    namespace, service = trigger["metadata"]["namespace"], str(trigger["spec"]["plan"]["service"])
    recorded = fleet.stable(namespace, service)
    made = plan_for(trigger, version, recorded)
    if known(name_of(made)) or version in (trigger.get("status") or {}).get("acted", []):
        return TriggerOutcome(
            "ActedOn", f"{name_of(made)} was made for it", version, made, acted=True
        )
    if version == made["spec"]["stable"]["version"]:
        return TriggerOutcome("Stable", "it is the stable version already", version)
    try:
        plan = plan_of(made)
    except PlanError as error:
        return TriggerOutcome("Invalid", "\n".join(told(made, error)), version)
    waits = _unready(deployment) or _busy(fleet, plan)
    if waits:
        return TriggerOutcome("Waiting", waits, version)
    return TriggerOutcome("Started", f"plan {name_of(made)} is made", version, made, acted=True)


def _version(deployment: Json, label: str) -> str:
    labels = deployment["spec"]["template"].get("metadata", {}).get("labels") or {}
    return str(labels.get(label, ""))


def _unready(deployment: Json) -> str:
    """Why the new pods cannot take traffic yet: judged before it serves, any version looks bad."""
    status, wanted = deployment.get("status") or {}, deployment["spec"].get("replicas", 1)
    seen = status.get("observedGeneration", 0) >= deployment["metadata"].get("generation", 0)
    new = status.get("updatedReplicas", 0) if seen else 0
    ready = min(new, status.get("availableReplicas", 0))
    old = status.get("replicas", 0) - new
    if not wanted:
        return "the Deployment is scaled to nothing"
    if ready < wanted or old > 0:
        return f"{ready} of {wanted} pods of the new version are ready, {max(old, 0)} old ones left"
    return ""


def _busy(fleet: Fleet, plan: Plan) -> str:
    """Why the plan cannot start now: one rollout at a time per service."""
    try:
        fleet.check_fits(plan)
    except InputError as error:
        return f"{error}, or wait"
    return ""
