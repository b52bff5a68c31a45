"""The next weight: a fixed ladder, or one paced by the harm that the evidence still allows."""

from __future__ import annotations

from analysis.verdict.guardrail import RateMargin, excess_rate
from rollout.decide.evidence.exposure import mirror_of, ramp_mode, segment_of
from rollout.decide.record.split import Split, split_at, total_for
from rollout.decide.state.rollout import RolloutState
from rollout.plan.model.plan import Budget, Plan

# An evidence ramp moves the mesh only for a step that is worth a change.
_WORTH = 1.1


def total_of(plan: Plan) -> int:
    """The constant total of a plan's splits: fine where a share or a paced ramp needs it."""
    ramp, holdback, mirror = plan.spec.ramp, plan.spec.holdback, mirror_of(plan)
    if isinstance(ramp, Budget):
        return 10_000
    others = [part.share for part in (holdback, mirror) if part]
    return total_for([*ramp.steps, *others])


def largest(plan: Plan) -> list[Split]:
    """The most that a plan's ramp gives the canary, in each way: of copies, and of requests."""
    total, mirror = total_of(plan), mirror_of(plan)
    copies = [split_at(mirror.share, total, "mirror")] if mirror else []
    return [*copies, split_at(plan.spec.ramp.most, total, ramp_mode(plan))]


def at_last_step(state: RolloutState) -> bool:
    """Whether the canary has the largest weight that the plan allows before promotion."""
    top = split_at(state.plan.spec.ramp.most, state.total)
    return ramp_weight(state) >= top.canary


def ramp_weight(state: RolloutState) -> int:
    """The canary's weight on the ramp: copies are no step of it, and all traffic is beyond it.

    So a segment's ramp is not entered again from a weight of all requests, which is the holdback's
    or a person's.
    """
    wanted = state.wanted
    if wanted.way == "mirror":
        return 0
    beyond = wanted.canary and wanted.way != ramp_mode(state.plan)
    return state.total if beyond else wanted.canary


def held_back(state: RolloutState) -> Split | None:
    """The split that leaves stable its holdback; None where the plan has none, or it is over.

    A weight that a person raised beyond it stays.
    """
    holdback, wanted = state.plan.spec.holdback, state.wanted
    if holdback is None or state.phase == "holding back":
        return None
    split = split_at(1 - holdback.share, state.total)
    if wanted.way == "weights" and wanted.canary > split.canary:
        return wanted if wanted.stable else None
    return split


def next_split(state: RolloutState) -> Split | None:
    """The next larger split; None where the ramp stays (for now, or at its top).

    Before the first step come copies, if the plan wants them.
    """
    ramp, mirror, way = state.plan.spec.ramp, mirror_of(state.plan), ramp_mode(state.plan)
    if mirror is not None and not state.stepped:
        return split_at(mirror.share, state.total, "mirror")
    now = ramp_weight(state)
    if not isinstance(ramp, Budget):
        splits = (split_at(step, state.total, way) for step in ramp.steps)
        return next((split for split in splits if split.canary > now), None)
    share = ramp.min
    if state.requests_per_look and now:
        share = ramp.harm_budget / (worst_excess(state) * _parted(state))
    split = split_at(min(max(share, ramp.min), ramp.max), state.total, way)
    enough = split.canary >= now * _WORTH or share >= ramp.max
    return split if split.canary > now and enough else None


def _parted(state: RolloutState) -> float:
    """Requests per look that the ramp parts: the segment's; all where its share is unknown."""
    segment = segment_of(state.plan)
    return state.requests_per_look * (segment.share or 1.0 if segment else 1.0)


def worst_excess(state: RolloutState) -> float:
    """u: worst credible excess share of bad requests over the rate guardrails; 1 without data."""
    alpha = state.plan.spec.confidence.false_rollback
    rates = [
        excess_rate(gauge.rule, gauge.capital, alpha)
        for gauge in state.gauges.values()
        if isinstance(gauge.rule, RateMargin)
    ]
    return max(rates, default=1.0) or 1e-9
