"""Checks a plan by arithmetic alone, before anything is simulated."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rollout.decide.evidence.exposure import exposure_guardrail, has_affinity, segment_of
from rollout.decide.record.facts import Learned
from rollout.decide.text.comparison import observational
from rollout.decide.text.error_rates import describe_found_pods, rests_on
from rollout.decide.text.kinds.unweighed import explain_rule
from rollout.plan.fields.units import duration, percent
from rollout.plan.model.plan import Guardrail, Plan
from rollout.rehearse.assumptions import Assumptions
from rollout.rehearse.buckets import diagnosed
from rollout.rehearse.finding import PlanFinding, note, warning
from rollout.rehearse.past import space_looks, start_in_memory
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
        *_note_policies(plan, base),
        *_note_assumptions(base),
    ]
    return tuple(sorted(findings, key=lambda finding: finding.level != "warning"))


def _check_guardrail(
    plan: Plan, base: Assumptions, guardrail: Guardrail, changes: Sequence[Scenario]
) -> Iterator[PlanFinding]:
    if guardrail.never is not None:
        message = f"{guardrail.name}: nothing is rehearsed of what must not happen"
        yield note("never", message, guardrail.name)
        return
    if guardrail.metric.pairs is not None:
        message = f"{guardrail.name}: pairs are rehearsed of which each version wins a half"
        yield note("pairs", f"{message}, one for each request that is labelled", guardrail.name)
        return
    if not guardrail.metric.is_evidence:
        message = f"{guardrail.name}: {explain_rule(guardrail)}; nothing is rehearsed of it"
        yield note(guardrail.metric.kind, message, guardrail.name)
        return
    is_shape = not guardrail.metric.has_bad_units
    diagnosis = diagnosed(guardrail, base.stable) if is_shape else None
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
            f"requests per look of {duration(spec.interval)}: start with a larger weight"
        )
        yield warning("few-requests", message)
    least = sum(leg.seconds for leg in climb(plan)) + spec.ramp.bake
    if max(least, spec.warmup) >= spec.deadline:
        message = (
            f"the ramp takes at least {duration(least)}, the deadline is "
            f"{duration(spec.deadline)}: nothing can be promoted before it"
        )
        yield warning("ramp-too-long", message)


def _check_proxy(plan: Plan) -> Iterator[PlanFinding]:
    if not any(guardrail.metric.is_proxy for guardrail in plan.spec.guardrails):
        message = (
            "no guardrail is reported by the proxy: a canary that answers nothing is not counted, "
            f"and the share of traffic is checked by what {exposure_guardrail(plan)} counts"
        )
        yield warning("no-proxy", message)


def _note_past(plan: Plan, learnt: Learned) -> Iterator[PlanFinding]:
    """Yield what the past says of each guardrail's bad units, which the rehearsal's come by."""
    state = start_in_memory(plan, learnt)
    for text in describe_found_pods(state):
        yield note("past", text)
    for name, own in state.guardrails.items():
        if own.test.weighs_evidence:
            yield note("past", f"{name}: {rests_on(state, name)}", name)
    apart = space_looks(plan).spec.interval
    if apart > plan.spec.interval:
        message = (
            f"looks are rehearsed {duration(apart)} apart instead of "
            f"{duration(plan.spec.interval)}: a decision comes later by less than that"
        )
        yield note("spaced", message)
    if learnt.dispersions:
        yield note("past", "what else differs between pods is allowed for, and not simulated")


def _note_policies(plan: Plan, base: Assumptions) -> Iterator[PlanFinding]:
    if plan.spec.when_inconclusive == "promote":
        yield note("promotes-unproven", "at the deadline the plan promotes without proof")
    if plan.spec.authority is not None:
        message = f"authority {plan.spec.authority}: rehearsed is what full authority would do"
        yield note("authority", message)
    if label := observational(plan):
        kind, _, why = label.partition(": ")
        yield note(kind, f"{why}; the rehearsal ignores that difference")
    segment = segment_of(plan)
    if segment is not None and segment.share is None:
        message = f"segment.share is not declared: {percent(ASSUMED_SEGMENT)} is assumed"
        yield note("assumed-segment", message)
    if has_affinity(plan):
        yield note("sticky", "users keep their version; the rehearsal assigns every request anew")
    if base.learnt is not None:
        yield from _note_past(plan, base.learnt)
    elif plan.spec.declared_pods is not None or plan.spec.finds_pods:
        message = "the rehearsal assumes independent requests and pods that are alike"
        more = "" if plan.spec.declared_pods else "; pods may be found, which asks for more of both"
        yield note("independent", f"{message}{more}")


def _check_worlds(
    plan: Plan, base: Assumptions, changes: Sequence[Scenario]
) -> Iterator[PlanFinding]:
    for change in changes:
        changed = change.of(Behaviour()) != Behaviour()
        if changed and not any(change.touches(g) for g in plan.spec.guardrails):
            yield warning("unguarded", f"{change.name}: no guardrail measures what differs there")
        elif changed and change.of(base.stable) == base.stable:
            yield warning(
                "no-change", f"{change.name}: with stable's figures nothing differs there"
            )


def _note_assumptions(base: Assumptions) -> Iterator[PlanFinding]:
    if base.assumed:
        names = ", ".join(name.replace("_", " ") for name in base.assumed)
        yield note("assumed", f"assumed, since neither options nor Prometheus give it: {names}")
