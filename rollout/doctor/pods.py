"""Tell by which label a rollout would find the pods of a plan that declares none."""

from __future__ import annotations

from collections.abc import Iterator

from rollout.doctor.finding import Finding
from rollout.doctor.probe.missing import Query
from rollout.errors import ObserveError
from rollout.observe.pods.survey import PodLabel, survey
from rollout.plan.model.plan import Plan
from rollout.ports import Ask


def of_plan(plan: Plan, query: Query) -> Iterator[Finding]:
    """Yield one finding for each guardrail whose series have such a label."""
    if not plan.spec.finds_pods:
        return
    try:
        labels = survey(Ask(plan.id, plan, {}, finds_pods=True), query)
    except ObserveError:
        return  # what does not answer is a finding on the series
    for name, own in sorted(labels.items()):
        yield Finding("series", f"{plan.name}/{name}", "ok", _describe(own))


def _describe(own: PodLabel) -> str:
    if own.is_awaited:
        return f"the label {own.label} may tell pods apart: the canary's first requests show it"
    return f"the label {own.label} tells pods apart, and a rollout learns how they differ"
