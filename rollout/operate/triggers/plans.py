"""Decides what each new version of a watched Deployment leads to.

Every version leads to one plan at most. Three records prevent a second: the plan itself, the
journal, and the trigger's `status.acted`, which remains when the other two are deleted.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

from pydantic import ValidationError

from rollout.errors import InputError, PlanError
from rollout.kube.kinds import Json
from rollout.kube.templates import TemplateReader
from rollout.operate.triggers.watched import choose, describe_unready_pods, matching
from rollout.plan.kube.resource import describe_mistakes, name_of, plan_of
from rollout.plan.kube.trigger import TriggerStatus, fixed_arms, plan_for, watched_of
from rollout.plan.model.plan import Plan
from rollout.redact import redact
from rollout.tick.bulkheads import Bulkheads
from rollout.tick.fleet import Fleet

_REMEMBERED = 100  # versions in `status.acted`; plans and the journal reach further back


@dataclass(frozen=True)
class KnownPlans:
    """What is known beside the triggers.

    `has_plan` tells whether a plan of this `namespace/name` exists or is in the journal.
    """

    has_plan: Callable[[str], bool]
    fleet: Fleet
    templates: TemplateReader = field(default_factory=TemplateReader)


@dataclass(frozen=True)
class DesiredPlan:
    """What a trigger wants in the cluster: its status and, where one starts, a plan."""

    trigger: Json
    status: Json
    plan: Json | None = None


@dataclass(frozen=True)
class TriggerOutcome:
    """What the trigger did with the Deployment's current version, and why."""

    reason: str
    message: str = ""
    version: str = ""
    plan: Json | None = None
    acted: bool = False


def desired_plans(
    triggers: Sequence[Json],
    deployments: Sequence[Json],
    plans: KnownPlans,
    bulkheads: Bulkheads,
) -> dict[str, DesiredPlan]:
    """Return what every trigger wants, by the trigger's `namespace/name`.

    A trigger that cannot be read wants nothing; `bulkheads` tells why.
    """
    by_name = {name_of(deployment): deployment for deployment in deployments}

    def desire(trigger: Json) -> DesiredPlan:
        return _desire(trigger, _evaluate(trigger, by_name, plans))

    desired = {
        name_of(trigger): bulkheads.run(name_of(trigger), partial(desire, trigger))
        for trigger in triggers
    }
    return {name: wanted for name, wanted in desired.items() if wanted is not None}


def _desire(trigger: Json, outcome: TriggerOutcome) -> DesiredPlan:
    """Turn an outcome into a status and perhaps a plan.

    The plan may be desired at several ticks until the cluster shows it. That is safe: its name
    depends on trigger and version, and the API server refuses a second plan of the same name.
    """
    before = trigger.get("status") or {}
    acted = [*before.get("acted", [])]
    if outcome.acted and outcome.version not in acted:
        acted = [*acted, outcome.version][-_REMEMBERED:]
    status = TriggerStatus.model_validate(
        {
            "observedGeneration": trigger["metadata"].get("generation", 0),
            # The last one tells that a Deployment served stable, also while there is none: one that
            # is deleted and made anew with its next version must not pass for a new one.
            "version": outcome.version or _read_last_version(trigger),
            "deployment": _name_single(trigger),
            "plan": outcome.plan["metadata"]["name"] if outcome.plan else "",
            "reason": outcome.reason,
            "message": redact(outcome.message),
            "acted": acted,
        }
    )
    plan = outcome.plan if outcome.reason == "Started" else None
    return DesiredPlan(trigger, status.model_dump(mode="json", by_alias=True), plan)


def _evaluate(trigger: Json, deployments: Mapping[str, Json], plans: KnownPlans) -> TriggerOutcome:
    """Find the version that comes next and decide what it leads to."""
    try:
        watched = watched_of(trigger)
    except ValidationError as error:
        return TriggerOutcome("Invalid", str(error.errors(include_url=False)[0]["msg"]))
    if problem := fixed_arms(trigger):
        return TriggerOutcome("Invalid", problem)
    namespace, service = trigger["metadata"]["namespace"], str(trigger["spec"]["plan"]["service"])
    candidates = matching(watched, namespace, deployments)
    if not candidates:
        return TriggerOutcome("NoDeployment", f"there is no Deployment {watched.described}")
    fleet = plans.fleet
    recorded, status = fleet.stable(namespace, service), trigger.get("status") or {}
    stable = recorded or _declared_stable(trigger)
    past = {*fleet.versions_of(namespace, service), *status.get("acted", [])}
    chosen = choose(watched, candidates, stable, _read_last_version(trigger), past)
    if chosen.problem or chosen.deployment is None:
        return TriggerOutcome("Invalid", chosen.problem, chosen.version)
    if not chosen.version:
        name = chosen.deployment["metadata"]["name"]
        message = f"the pods of Deployment {name} have no label `{watched.label}`"
        return TriggerOutcome("NoVersion", message)
    return _evaluate_version(trigger, chosen.deployment, chosen.version, plans)


def _read_last_version(trigger: Json) -> str:
    """Return the version that the trigger showed last; empty if it watched another Deployment."""
    status = trigger.get("status") or {}
    is_same = status.get("deployment", _name_single(trigger)) == _name_single(trigger)
    return str(status.get("version", "")) if is_same else ""


def _name_single(trigger: Json) -> str:
    return str(trigger["spec"].get("deployment") or "")


def _declared_stable(trigger: Json) -> str:
    stable = trigger["spec"]["plan"].get("stable")
    return str(stable.get("version", "")) if isinstance(stable, dict) else ""


def _evaluate_version(
    trigger: Json, deployment: Json, version: str, plans: KnownPlans
) -> TriggerOutcome:
    namespace, service = trigger["metadata"]["namespace"], str(trigger["spec"]["plan"]["service"])
    recorded = plans.fleet.stable(namespace, service)
    resource = plan_for(trigger, version, recorded)
    name = name_of(resource)
    if plans.has_plan(name) or version in (trigger.get("status") or {}).get("acted", []):
        return TriggerOutcome(
            "ActedOn",
            f"the plan {name} was created for this version",
            version,
            resource,
            acted=True,
        )
    if version == (recorded or _declared_stable(trigger)):
        return TriggerOutcome("Stable", "it is the stable version already", version)
    try:
        plan = plan_of(resource, plans.templates.read_named(resource).context)
    except PlanError as error:
        return TriggerOutcome("Invalid", "\n".join(describe_mistakes(resource, error)), version)
    obstacle = describe_unready_pods(deployment) or _describe_conflict(plans.fleet, plan)
    if obstacle:
        return TriggerOutcome("Waiting", obstacle, version)
    return TriggerOutcome("Started", f"the plan {name} is created", version, resource, acted=True)


def _describe_conflict(fleet: Fleet, plan: Plan) -> str:
    """Return why the plan cannot start now, such as another rollout of its service."""
    try:
        fleet.check_fits(plan)
    except InputError as error:
        return f"{error}, or wait"
    return ""
