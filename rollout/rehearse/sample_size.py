"""What a plan can find out before its deadline: the evidence it needs against what it will see."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from analysis.information import (
    harm_divergence,
    least_flagged,
    needed,
    rate_divergence,
    safe_divergence,
)
from analysis.verdict.verdict import CRASH_WEIGHT
from rollout.decide.evidence.exposure import mirror_of, segment_of
from rollout.plan.fields.units import percent
from rollout.plan.model.guardrail import Margin
from rollout.plan.model.plan import Budget, Guardrail, Plan
from rollout.rehearse.assumptions import Assumptions
from rollout.rehearse.buckets import buckets
from rollout.rehearse.finding import PlanFinding, note, warning
from rollout.rehearse.scenario import Scenario, bad_shares

_NEVER = 1e12
ASSUMED_SEGMENT = 0.1
"""Share of all requests that a segment is taken to have where the plan does not say."""


@dataclass(frozen=True)
class Leg:
    """Counted seconds at one canary share."""

    share: float
    seconds: float

    @property
    def rho(self) -> float:
        """Canary requests per request of stable; after a switch as many came before it."""
        return self.share / (1 - self.share) if self.share < 1 else 1.0


@dataclass(frozen=True)
class SampleSize:
    """Canary units needed, by the information bound at the ramp's own pace, and units to be seen.

    No test can do with less than `needs`; the plan's own need 1.2 to 2.1 times as much.
    """

    needs: float
    sees: float
    noun: str

    @property
    def enough(self) -> bool:
        return self.needs <= self.sees

    def __str__(self) -> str:
        if self.needs > _NEVER:
            return f"no number of {self.noun} suffices"
        return f"needs {math.ceil(self.needs):,} {self.noun}, you will see {int(self.sees):,}"


def within_reach(plan: Plan, base: Assumptions, guardrail: Guardrail) -> Iterator[PlanFinding]:
    """Whether a canary that changes nothing can be proven safe, and which gap stays open."""
    found = reach(plan, base, guardrail, Scenario("same"))
    if not found.enough:
        said = f"{guardrail.name}: safety cannot be proven by the deadline: {found}"
        yield warning("unprovable", said, guardrail.name)
    if guardrail.margin is not None:
        yield _gap(plan, base, guardrail, guardrail.margin)


def resolvable(
    plan: Plan, base: Assumptions, guardrail: Guardrail, change: Scenario
) -> Iterator[PlanFinding]:
    """Whether the harm of a world that breaks this guardrail can be found."""
    name, found = guardrail.name, reach(plan, base, guardrail, change)
    if not found.enough:
        said = f"{change.name} is not resolvable by {name}: {found}"
        yield warning("unresolvable", said, name)
    elif guardrail.margin is not None:
        bad = bad_shares(guardrail, change.of(base.stable))
        flagged = flagged_from(plan, base, guardrail, guardrail.margin)
        if bad < flagged:
            said = (
                f"{change.name} lies in the gap of {name}: {percent(bad)} bad is more than its "
                f"margin allows, but evidence of harm grows only from {percent(flagged)}"
            )
            yield warning("in-gap", said, name)


def reach(plan: Plan, base: Assumptions, guardrail: Guardrail, change: Scenario) -> SampleSize:
    """Evidence for the true answer in this world: harm where its margin is broken, else safety."""
    harm = change.breaks(guardrail, base.stable)
    confidence = plan.spec.confidence
    error = confidence.false_promotion
    if harm:
        error = confidence.false_rollback * _weight(plan, guardrail)
    legs = _legs(plan, base, guardrail)
    per_second = base.rate * (1.0 if guardrail.source.proxy else base.labelled)
    units = [leg.share * leg.seconds * per_second for leg in legs]
    learnt = [
        n * _divergence(guardrail, base, change, leg.rho, harm=harm)
        for n, leg in zip(units, legs, strict=True)
    ]
    sees = sum(units)
    noun = "requests" if guardrail.source.proxy else "labels"
    return SampleSize(needed(sum(learnt) / sees, error) if sees else math.inf, sees, noun)


def flagged_from(plan: Plan, base: Assumptions, guardrail: Guardrail, margin: Margin) -> float:
    """The bad share of the canary from which harm is found at the ramp's top."""
    share = bad_shares(guardrail, base.stable)
    top = Leg(plan.spec.ramp.most * parted(plan), 0.0)
    return least_flagged(share, margin.ratio, margin.absolute, top.rho)


def _gap(plan: Plan, base: Assumptions, guardrail: Guardrail, margin: Margin) -> PlanFinding:
    share = bad_shares(guardrail, base.stable)
    allowed = min(1.0, margin.ratio * share + margin.absolute)
    flagged = flagged_from(plan, base, guardrail, margin)
    said = (
        f"{guardrail.name}: with {percent(share)} bad in stable, up to {percent(allowed)} is "
        f"acceptable and evidence of harm grows from {percent(flagged)}; between them neither does"
    )
    return note("gap", said, guardrail.name)


def _divergence(
    guardrail: Guardrail, base: Assumptions, change: Scenario, rho: float, *, harm: bool
) -> float:
    canary = change.of(base.stable)
    if (margin := guardrail.margin) is not None:
        bad, reference = (bad_shares(guardrail, each) for each in (canary, base.stable))
        return rate_divergence(bad, reference, margin.ratio, margin.absolute, rho)
    stable, changed = buckets(guardrail, base.stable), buckets(guardrail, canary)
    if harm:
        return harm_divergence(stable.rule, stable.edges, changed.shares, stable.shares, rho)
    return safe_divergence(stable.rule, stable.edges, changed.shares, stable.shares, rho)


def _weight(plan: Plan, guardrail: Guardrail) -> float:
    """The guardrail's share of the mean of e-processes."""
    guardrails = plan.spec.guardrails
    rates = any(each.source.kind == "rate" for each in guardrails)
    left = 1 - CRASH_WEIGHT if rates else 1.0
    return left * guardrail.importance / sum(each.importance for each in guardrails)


def _legs(plan: Plan, base: Assumptions, guardrail: Guardrail) -> list[Leg]:
    """The longest counted time at each share until the deadline, less what comes too late."""
    spec, below = plan.spec, climb(plan)
    lag = 0.0 if guardrail.source.proxy else base.lag
    mirror = mirror_of(plan)
    spent = sum(leg.seconds for leg in below) + (mirror.lasts if mirror else 0.0)
    left = max(spec.deadline - spec.warmup - lag - spent, 0.0)
    before = spec.before
    if before is not None:  # what was kept of stable bounds what can be compared
        left = max(min(left - before, before) - spec.warmup, 0.0)
    return [*below, Leg(spec.ramp.most * parted(plan), left)]


def parted(plan: Plan) -> float:
    """The share of all requests that the ramp parts: a segment's, assumed where it is unknown."""
    segment = segment_of(plan)
    return (segment.share or ASSUMED_SEGMENT) if segment else 1.0


def climb(plan: Plan) -> list[Leg]:
    """Steps below the top, each for its bake time and the look that confirms it.

    A paced ramp may climb at once.
    """
    ramp, interval = plan.spec.ramp, plan.spec.interval
    if isinstance(ramp, Budget):
        return []
    each = (math.ceil(ramp.bake / interval) + 1) * interval
    return [Leg(share * parted(plan), each) for share in ramp.steps[:-1]]
