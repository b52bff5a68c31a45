"""Checks a plan by arithmetic alone, before anything is simulated."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rollout.decide.evidence.exposure import exposure_guardrail, has_affinity, segment_of
from rollout.decide.text.comparison import observational
from rollout.plan.fields.units import duration, percent
from rollout.plan.model.plan import Guardrail, Plan
from rollout.rehearse.assumptions import Assumptions
from rollout.rehearse.buckets import diagnosed
from rollout.rehearse.finding import PlanFinding, note, warning
from rollout.rehearse.sample_size import ASSUMED_SEGMENT, climb, parted, resolvable, within_reach
from rollout.rehearse.scenario import Scenario
from rollout.simulate import Behaviour


def preflight(
    plan: Plan, base: Assumptions, changes: Sequence[Scenario]
) -> tuple[PlanFinding, ...]:
    """Return every finding about the plan, warnings first."""
    findings = [
        *_check_ramp(plan, base),
        *_check_proxy(plan),
        *_check_worlds(plan, base, changes),
        *(
            finding
            for g in plan.spec.guardrails
            for finding in _check_guardrail(plan, base, g, changes)
        ),
        *_note_policies(plan),
        *_note_assumptions(base),
    ]
    return tuple(sorted(findings, key=lambda finding: finding.level != "warning"))


def _check_guardrail(
    plan: Plan, base: Assumptions, guardrail: Guardrail, changes: Sequence[Scenario]
) -> Iterator[PlanFinding]:
    diagnosis = diagnosed(guardrail, base.stable) if guardrail.source.kind == "shape" else None
    if diagnosis:
        yield diagnosis
        if diagnosis.level == "warning":
            return  # with unusable buckets the other checks have no meaning
    yield from within_reach(plan, base, guardrail)
    for change in changes:
        if change.breaks(guardrail, base.stable):
            yield from resolvable(plan, base, guardrail, change)


def _check_ramp(plan: Plan, base: Assumptions) -> Iterator[PlanFinding]:
    spec = plan.spec
    first = base.rate * spec.ramp.least * parted(plan) * spec.interval
    if first < 1:
        message = (
            f"at the first weight of {percent(spec.ramp.least)} the canary gets {first:.2g} "
            f"requests per look of {duration(spec.interval)}: less than one"
        )
        yield warning("few-requests", message)
    least = sum(leg.seconds for leg in climb(plan)) + spec.ramp.bake
    if max(least, spec.warmup) >= spec.deadline:
        message = (
            f"the ramp takes {duration(least)} at least and the deadline is "
            f"{duration(spec.deadline)}: nothing can be promoted"
        )
        yield warning("ramp-too-long", message)


def _check_proxy(plan: Plan) -> Iterator[PlanFinding]:
    if not any(guardrail.source.proxy for guardrail in plan.spec.guardrails):
        message = (
            "no guardrail is reported by the proxy: a canary that answers nothing is not seen, "
            f"and the share of traffic is checked on what {exposure_guardrail(plan)} counts"
        )
        yield warning("no-proxy", message)


def _note_policies(plan: Plan) -> Iterator[PlanFinding]:
    if plan.spec.when_inconclusive == "promote":
        yield note("promotes-unproven", "a rollout that is stuck is promoted without proof")
    if label := observational(plan):
        kind, _, why = label.partition(": ")
        yield note(kind, f"{why}; here the versions differ in nothing else")
    segment = segment_of(plan)
    if segment is not None and segment.share is None:
        message = f"the segment's share is not declared: {percent(ASSUMED_SEGMENT)} is assumed"
        yield note("assumed-segment", message)
    if has_affinity(plan):
        yield note("sticky", "users keep their version, and are simulated as if they did not")
    if plan.spec.pods is not None:
        yield note("independent", "requests are simulated as independent, pods as all alike")


def _check_worlds(
    plan: Plan, base: Assumptions, changes: Sequence[Scenario]
) -> Iterator[PlanFinding]:
    for change in changes:
        changed = change.of(Behaviour()) != Behaviour()
        if changed and not any(change.touches(g) for g in plan.spec.guardrails):
            yield warning("unguarded", f"{change.name}: no guardrail looks at what differs there")
        elif changed and change.of(base.stable) == base.stable:
            yield warning("no-change", f"{change.name}: as stable is, nothing differs there")


def _note_assumptions(base: Assumptions) -> Iterator[PlanFinding]:
    if base.assumed:
        names = ", ".join(name.replace("_", " ") for name in base.assumed)
        yield note("assumed", f"not known and assumed: {names}")
