"""Read the plans that a namespace declares, and check the status of each RolloutPlan."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rollout.decide.state.rollout import TERMINAL
from rollout.doctor.finding import Finding
from rollout.errors import PlanError
from rollout.kube.kinds import Json
from rollout.kube.templates import TemplateReader
from rollout.plan.fields.base import RECORDED
from rollout.plan.kube.resource import describe_mistakes, plan_of
from rollout.plan.model.plan import Plan

_CURES = {
    "Refused": "let that rollout end or abort it, or name the recorded stable version",
    "Ended": "abort the rollout under way, or apply its plan again",
    "Forgotten": "restore the journal from its backup, or delete the plan and apply it again",
}
_MEND = "fix the plan and apply it again; docs/plan-errors.md explains each code"
_UNSEEN = "start `surefoot operate` for this namespace, or read its log"


def read(
    namespace: str, resources: Sequence[Json], templates: TemplateReader | None = None
) -> tuple[list[Plan], list[Finding]]:
    """Return the plans that still have to run, and the findings on every resource.

    Ended plans are left out: their stable version may have been deleted since, and checking its
    series would report a failure that is none.
    """
    if not resources:
        return [], [Finding("plan", namespace, "ok", "no plan is declared here")]
    plans, findings = [], []
    for resource in resources:
        name = str(resource["metadata"]["name"])
        try:
            # What a controller has taken up goes on, whatever rules are newer than it.
            recorded = RECORDED if _is_accepted(resource) else {}
            named = (templates or TemplateReader()).read_named(resource)
            plan = plan_of(resource, {**named.context, **recorded})
        except PlanError as error:
            findings += [
                Finding("plan", name, "fail", line, _MEND)
                for line in describe_mistakes(resource, error)
            ]
            continue
        findings += _check_status(name, resource)
        if not _has_ended(resource):
            plans.append(plan)
    return plans, findings


def _check_status(name: str, resource: Json) -> Iterator[Finding]:
    """Report what the controller wrote into the status of one resource."""
    status, generation = resource.get("status") or {}, resource["metadata"].get("generation")
    # A status of an older generation describes an older spec, so nothing else in it counts.
    if status.get("observedGeneration") != generation:
        yield Finding(
            "plan", name, "warn", "no controller has read this version of the plan", _UNSEEN
        )
        return
    conditions = _index_conditions(status)
    accepted = conditions.get("Accepted", {})
    if accepted.get("status") == "False":
        cure = _CURES.get(accepted["reason"], _MEND)
        yield Finding("plan", name, "fail", accepted.get("message", accepted["reason"]), cure)
    elif status.get("phase") == "paused":
        message = conditions.get("Progressing", {}).get("message", "paused")
        yield Finding("plan", name, "warn", message, f"surefoot resume, promote or abort {name}")
    else:
        yield Finding("plan", name, "ok", status.get("phase", "accepted"))


def _has_ended(resource: Json) -> bool:
    """Tell whether the controller has nothing left to do for this resource.

    The phase alone is not enough: it stays terminal after the user edits the plan. Only when the
    controller has also observed and accepted the current generation is no edit outstanding.
    """
    phase = (resource.get("status") or {}).get("phase")
    return _is_accepted(resource) and phase in TERMINAL


def _is_accepted(resource: Json) -> bool:
    """Tell whether a controller has taken up the plan as it stands."""
    status, generation = resource.get("status") or {}, resource["metadata"].get("generation")
    is_observed = status.get("observedGeneration") == generation
    accepted = _index_conditions(status).get("Accepted", {})
    return is_observed and bool(accepted.get("status") == "True")


def _index_conditions(status: Json) -> Json:
    return {condition["type"]: condition for condition in status.get("conditions", [])}
