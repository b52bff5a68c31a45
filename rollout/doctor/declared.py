"""The plans that a namespace's resources declare, and what is wrong with a resource itself."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rollout.decide.state.rollout import TERMINAL
from rollout.doctor.finding import Finding
from rollout.errors import PlanError
from rollout.kube.kinds import Json
from rollout.plan.kube.resource import plan_of, told
from rollout.plan.model.plan import Plan

_CURES = {
    "Refused": "let that rollout end or abort it, or name the stable version on record",
    "Ended": "abort the rollout under way, or apply its plan again",
    "Forgotten": "restore the journal from its backup, or delete the plan and apply it anew",
}
_MEND = "mend it there and apply it anew; docs/plan-errors.md explains each code"
_UNSEEN = "let `surefoot operate` run for this namespace, and look at its log"


def read(namespace: str, resources: Sequence[Json]) -> tuple[list[Plan], list[Finding]]:
    """The plans that are still to be carried out, and a finding or more on each resource.

    An ended plan is not among them: its stable version may be gone by now, and rightly so.
    """
    if not resources:
        return [], [Finding("plan", namespace, "ok", "no plan is declared here")]
    plans, found = [], []
    for each in resources:
        name = str(each["metadata"]["name"])
        try:
            plan = plan_of(each)
        except PlanError as error:
            found += [Finding("plan", name, "fail", line, _MEND) for line in told(each, error)]
            continue
        found += _of_status(name, each)
        if not _ended(each):
            plans.append(plan)
    return plans, found


def _of_status(name: str, resource: Json) -> Iterator[Finding]:
    """What the controller says of it, if it has looked at the plan as it stands."""
    status, generation = resource.get("status") or {}, resource["metadata"].get("generation")
    if status.get("observedGeneration") != generation:
        yield Finding("plan", name, "warn", "no controller has looked at it as it stands", _UNSEEN)
        return
    conditions = _conditions(status)
    accepted = conditions.get("Accepted", {})
    if accepted.get("status") == "False":
        cure = _CURES.get(accepted["reason"], _MEND)
        yield Finding("plan", name, "fail", accepted.get("message", accepted["reason"]), cure)
    elif status.get("phase") == "paused":
        said = conditions.get("Progressing", {}).get("message", "paused")
        yield Finding("plan", name, "warn", said, "surefoot resume, promote or abort")
    else:
        yield Finding("plan", name, "ok", status.get("phase", "accepted"))


def _ended(resource: Json) -> bool:
    """Whether nothing of it is to be done any more: neither this rollout nor an edit."""
    status, generation = resource.get("status") or {}, resource["metadata"].get("generation")
    return (
        status.get("observedGeneration") == generation
        and _conditions(status).get("Accepted", {}).get("status") == "True"
        and status.get("phase") in TERMINAL
    )


def _conditions(status: Json) -> Json:
    return {each["type"]: each for each in status.get("conditions", [])}
