"""Triggers: what each new version of a watched Deployment leads to; every version exactly once."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from pydantic import ValidationError

from rollout.cluster.kinds import ROLLOUT_PLAN, ROLLOUT_TRIGGER, Kind
from rollout.decide.backoff import backoff
from rollout.errors import ClusterError, InputError, PlanError
from rollout.plan.model import Plan
from rollout.plan.resource import name_of, plan_of, told
from rollout.plan.trigger import TriggerStatus, plan_for, watched_of
from rollout.tick.fleet import Fleet

Json = dict[str, Any]

_LEAST, _MOST = 0.5, 30.0  # seconds between two attempts, growing while they fail
_REMEMBERED = 100  # versions in a status; the journal and the plans themselves remember more


class Resources(Protocol):
    """The resources of a kind."""

    def list(self) -> Sequence[Json] | None:
        """All of them as last seen; None while that is not known."""
        ...


class Maker(Protocol):
    """The part of a cluster that makes plans and shows statuses. Both raise ClusterError."""

    def create(self, kind: Kind, namespace: str, body: Json) -> Json: ...
    def patch_status(self, kind: Kind, namespace: str, name: str, body: Json) -> Json: ...


@dataclass(frozen=True)
class Wish:
    """What a trigger wants of the cluster: perhaps a plan, and a status that tells."""

    trigger: Json
    status: Json
    plan: Json | None = None


@dataclass(frozen=True)
class Found:
    """What became of a version."""

    reason: str
    message: str = ""
    version: str = ""
    plan: Json | None = None
    acted: bool = False


def wishes(
    triggers: Sequence[Json],
    deployments: Sequence[Json],
    known: Callable[[str], bool],
    fleet: Fleet,
) -> dict[str, Wish]:
    """Every trigger's wish, by its `namespace/name`.

    `known` tells whether a plan of this `namespace/name` is there, or ever was by the journal.
    """
    there = {name_of(each): each for each in deployments}
    return {name_of(each): _wish(each, _found(each, there, known, fleet)) for each in triggers}


def _wish(trigger: Json, found: Found) -> Wish:
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
    return Wish(trigger, status.model_dump(mode="json", by_alias=True), made)


def _found(
    trigger: Json, deployments: Mapping[str, Json], known: Callable[[str], bool], fleet: Fleet
) -> Found:
    try:
        watched = watched_of(trigger)
    except ValidationError as error:
        return Found("Invalid", str(error.errors(include_url=False)[0]["msg"]))
    namespace = trigger["metadata"]["namespace"]
    deployment = deployments.get(f"{namespace}/{watched.deployment}")
    if deployment is None:
        return Found("NoDeployment", f"there is no Deployment {watched.deployment}")
    version = _version(deployment, watched.label)
    if not version:
        said = f"the pods of Deployment {watched.deployment} have no label `{watched.label}`"
        return Found("NoVersion", said)
    return _of_version(trigger, deployment, version, known, fleet)


def _of_version(
    trigger: Json, deployment: Json, version: str, known: Callable[[str], bool], fleet: Fleet
) -> Found:
    namespace, service = trigger["metadata"]["namespace"], str(trigger["spec"]["plan"]["service"])
    recorded = fleet.stable(namespace, service)
    made = plan_for(trigger, version, recorded)
    if known(name_of(made)) or version in (trigger.get("status") or {}).get("acted", []):
        return Found("ActedOn", f"{name_of(made)} was made for it", version, made, acted=True)
    if version == made["spec"]["stable"]["version"]:
        return Found("Stable", "it is the stable version already", version)
    try:
        plan = plan_of(made)
    except PlanError as error:
        return Found("Invalid", "\n".join(told(made, error)), version)
    waits = _unready(deployment) or _busy(fleet, plan)
    if waits:
        return Found("Waiting", waits, version)
    return Found("Started", f"plan {name_of(made)} is made", version, made, acted=True)


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


class Triggers:
    """Considered within a tick, which waits for no cluster; carried out beside it."""

    def __init__(self, triggers: Resources, deployments: Resources) -> None:
        self._triggers, self._deployments = triggers, deployments
        self._wishes: dict[str, Wish] = {}
        self._failures, self._due = 0, 0.0

    def consider(self, known: Callable[[str], bool], fleet: Fleet) -> None:
        """Wish anew, from what is known now; nothing while something is not known."""
        triggers, deployments = self._triggers.list(), self._deployments.list()
        if triggers is not None and deployments is not None:
            self._wishes = wishes(triggers, deployments, known, fleet)

    def publish(self, maker: Maker, now: float) -> None:
        """Carry out what is wished. Raises ClusterError with the first problem; it is due again."""
        if now < self._due:
            return
        for name, wish in self._wishes.items():
            try:
                _carry_out(maker, name, wish)
            except ClusterError as error:
                self._failures += 1
                self._due = now + backoff(self._failures, _LEAST, _MOST)
                raise ClusterError(f"trigger {name}: {error}", error.status) from None
        self._failures = 0


def _carry_out(maker: Maker, name: str, wish: Wish) -> None:
    """The plan first: a status that tells of it must not come before it is there."""
    namespace, _, plain = name.partition("/")
    if wish.plan is not None:
        try:
            maker.create(ROLLOUT_PLAN, namespace, wish.plan)
        except ClusterError as error:
            if error.status != _CONFLICT:  # it is there already: made before a restart, say
                raise
    if wish.status == (wish.trigger.get("status") or {}):
        return
    condition = {"resourceVersion": wish.trigger["metadata"]["resourceVersion"]}
    body = {"metadata": condition, "status": wish.status}
    try:
        maker.patch_status(ROLLOUT_TRIGGER, namespace, plain, body)
    except ClusterError as error:
        if error.status not in _PASSED:  # another version is there, or none: looked at anew
            raise


_CONFLICT = 409
_PASSED = (404, _CONFLICT)
