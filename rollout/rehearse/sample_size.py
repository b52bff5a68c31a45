"""Compares the evidence a plan needs with what it will see before its deadline.

How it works: each unit of the canary adds, on average, a known amount of evidence (a divergence).
A plan needs enough units for the evidence to reach its error rate. The ramp's legs give the units
that it will see. The needed number is a lower bound that holds for any test.
"""

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
from analysis.verdict.limit_test import PERFECT
from analysis.verdict.verdict import CRASH_WEIGHT
from rollout.decide.evidence.exposure import mirror_of, segment_of
from rollout.plan.fields.units import percent
from rollout.plan.model.limits import Margin
from rollout.plan.model.plan import Budget, Guardrail, Plan
from rollout.rehearse.assumptions import Assumptions
from rollout.rehearse.buckets import buckets
from rollout.rehearse.finding import PlanFinding, note, warning
from rollout.rehearse.past import find_dispersion
from rollout.rehearse.scenario import Scenario, bad_shares

_NEVER = 1e12
ASSUMED_SEGMENT = 0.1
"""Assumed share of all requests in a segment, where the plan does not declare it."""


@dataclass(frozen=True)
class Leg:
    """A leg of the ramp: counted seconds at one canary share."""

    share: float
    seconds: float

    @property
    def rho(self) -> float:
        """Return canary requests per request of stable.

        At a share of 1 stable has no traffic any more: as many requests as the canary gets are
        compared from before the switch.
        """
        return self.share / (1 - self.share) if self.share < 1 else 1.0


@dataclass(frozen=True)
class SampleSize:
    """Canary units needed, by the information bound at the ramp's pace, and units expected.

    No test decides with fewer than `needs` units; the plan's own tests take 1.2 to 2.1 times that.
    """

    needs: float
    sees: float
    noun: str

    @property
    def enough(self) -> bool:
        return self.needs <= self.sees

    def __str__(self) -> str:
        if self.needs > _NEVER:
            return f"no number of {self.noun} is enough"
        return f"it needs {math.ceil(self.needs):,} {self.noun}, the plan gives {int(self.sees):,}"


def within_reach(plan: Plan, base: Assumptions, guardrail: Guardrail) -> Iterator[PlanFinding]:
    """Check whether a harmless canary can be proven safe, and report the gap between the tests."""
    sample_size = reach(plan, base, guardrail, Scenario("same"))
    if not sample_size.enough:
        message = f"{guardrail.name} cannot be proven safe by the deadline: {sample_size}"
        yield warning("unprovable", message, guardrail.name)
    if guardrail.bad_margin is not None:
        yield _note_gap(plan, base, guardrail, guardrail.bad_margin)


def resolvable(
    plan: Plan, base: Assumptions, guardrail: Guardrail, change: Scenario
) -> Iterator[PlanFinding]:
    """Check whether harm is detected in a world that breaks this guardrail."""
    name, sample_size = guardrail.name, reach(plan, base, guardrail, change)
    if not sample_size.enough:
        message = f"{change.name}: {name} cannot show the harm by the deadline: {sample_size}"
        yield warning("unresolvable", message, name)
    elif guardrail.bad_margin is not None:
        bad = bad_shares(guardrail, change.of(base.stable))
        flagged = flagged_from(plan, base, guardrail, guardrail.bad_margin)
        if bad < flagged:
            message = (
                f"{change.name}: {percent(bad)} bad is more than the margin of {name} allows, but "
                f"harm can be shown only from {percent(flagged)}"
            )
            yield warning("in-gap", message, name)


def reach(plan: Plan, base: Assumptions, guardrail: Guardrail, change: Scenario) -> SampleSize:
    """Return the sample size for the true answer in this world.

    The true answer is harm if the world breaks the guardrail, else safety. Bad units that come
    together tell less: so many more are needed as their totals vary more than independent ones.
    Source: Kish, Survey Sampling (1965), section 8.2, the design effect.
    """
    harm = change.breaks(guardrail, base.stable)
    confidence = plan.spec.confidence
    error = confidence.false_promotion
    if harm:
        error = confidence.false_rollback * _compute_weight(plan, guardrail)
    legs = _compute_legs(plan, base, guardrail)
    per_second = base.rate * (base.labelled if guardrail.metric.is_judged else 1.0)
    units = [leg.share * leg.seconds * per_second for leg in legs]
    information = [
        n * _compute_divergence(guardrail, base, change, leg.rho, harm=harm)
        for n, leg in zip(units, legs, strict=True)
    ]
    sees = sum(units)
    noun = "labels" if guardrail.metric.is_judged else "requests"
    if not sees:
        return SampleSize(math.inf, sees, noun)
    dispersion = find_dispersion(base.learnt, guardrail.name)
    times = dispersion.inflation if dispersion else 1.0
    return SampleSize(times * needed(sum(information) / sees, error), sees, noun)


def flagged_from(plan: Plan, base: Assumptions, guardrail: Guardrail, margin: Margin) -> float:
    """Return the canary's least bad share at which evidence of harm grows at the ramp's top."""
    top = Leg(plan.spec.ramp.most * parted(plan), 0.0)
    share, rho = _find_reference(guardrail, base, top.rho)
    return least_flagged(share, margin.ratio, margin.absolute, rho)


def _find_reference(guardrail: Guardrail, base: Assumptions, rho: float) -> tuple[float, float]:
    """Return the bad share that the canary is compared with, and its units per one of that's.

    A limit is compared with nothing: as with a stable version that fails at nothing and is known.
    """
    if guardrail.bound is not None:
        return 0.0, 1 / PERFECT
    return bad_shares(guardrail, base.stable), rho


def _note_gap(plan: Plan, base: Assumptions, guardrail: Guardrail, margin: Margin) -> PlanFinding:
    share = bad_shares(guardrail, base.stable)
    reference, _ = _find_reference(guardrail, base, 1.0)
    allowed = min(1.0, margin.ratio * reference + margin.absolute)
    flagged = flagged_from(plan, base, guardrail, margin)
    message = (
        f"{guardrail.name}: with {percent(share)} bad in stable the plan allows "
        f"{percent(allowed)}, and harm can be shown from {percent(flagged)}; between the two "
        "neither safety nor harm is shown"
    )
    return note("gap", message, guardrail.name)


def _compute_divergence(
    guardrail: Guardrail, base: Assumptions, change: Scenario, rho: float, *, harm: bool
) -> float:
    canary = change.of(base.stable)
    if (margin := guardrail.bad_margin) is not None:
        bad = bad_shares(guardrail, canary)
        reference, rho = _find_reference(guardrail, base, rho)
        return rate_divergence(bad, reference, margin.ratio, margin.absolute, rho)
    stable, changed = buckets(guardrail, base.stable), buckets(guardrail, canary)
    if harm:
        return harm_divergence(stable.rule, stable.edges, changed.shares, stable.shares, rho)
    return safe_divergence(stable.rule, stable.edges, changed.shares, stable.shares, rho)


def _compute_weight(plan: Plan, guardrail: Guardrail) -> float:
    """Return the guardrail's weight in the mean of all e-processes.

    With a margin of a counter among them, CRASH_WEIGHT of the mean belongs to the crash test.
    """
    guardrails = [other for other in plan.spec.guardrails if other.weighs_evidence]
    rates = any(other.margin is not None and other.has_past for other in guardrails)
    left = 1 - CRASH_WEIGHT if rates else 1.0
    return left * guardrail.importance / sum(other.importance for other in guardrails)


def _compute_legs(plan: Plan, base: Assumptions, guardrail: Guardrail) -> list[Leg]:
    """Return the longest counted time at each share until the deadline.

    Warmup and label lag are subtracted: their samples do not count, or come after the deadline.
    """
    spec, below = plan.spec, climb(plan)
    lag = base.lag if guardrail.metric.is_judged else 0.0
    mirror = mirror_of(plan)
    spent = sum(leg.seconds for leg in below) + (mirror.lasts if mirror else 0.0)
    left = max(spec.deadline - spec.warmup - lag - spent, 0.0)
    before = spec.before
    if before is not None:  # the recorded baseline limits what can be compared
        left = max(min(left - before, before) - spec.warmup, 0.0)
    return [*below, Leg(spec.ramp.most * parted(plan), left)]


def parted(plan: Plan) -> float:
    """Return the share of all requests that the ramp splits: the segment's share, or all."""
    segment = segment_of(plan)
    return (segment.share or ASSUMED_SEGMENT) if segment else 1.0


def climb(plan: Plan) -> list[Leg]:
    """Return the legs below the ramp's top: each takes its bake time and one confirming look.

    A paced ramp has none, because it may reach its top at once.
    """
    ramp, interval = plan.spec.ramp, plan.spec.interval
    if isinstance(ramp, Budget):
        return []
    seconds = (math.ceil(ramp.bake / interval) + 1) * interval
    return [Leg(share * parted(plan), seconds) for share in ramp.steps[:-1]]
