"""The next weight: a fixed ladder, or one paced by the harm that the evidence still allows."""

from __future__ import annotations

from analysis.guard import RateRule, excess_rate
from rollout.decide.split import Split, split_at, total_for
from rollout.decide.state import State
from rollout.plan.model import Budget, Plan

# An evidence ramp moves the mesh only for a step that is worth a change.
_WORTH = 1.1


def total_of(plan: Plan) -> int:
    """The constant total of a plan's splits: fine where a share or a paced ramp needs it."""
    ramp, holdback = plan.spec.ramp, plan.spec.holdback
    if isinstance(ramp, Budget):
        return 10_000
    return total_for([*ramp.steps, holdback.share] if holdback else ramp.steps)


def at_top(state: State) -> bool:
    """Whether the canary has the largest weight that the plan allows before promotion."""
    top = split_at(state.plan.spec.ramp.most, state.total)
    return state.wanted.canary >= top.canary


def held_back(state: State) -> Split | None:
    """The split that leaves stable its holdback; None where the plan has none, or it is over."""
    holdback = state.plan.spec.holdback
    if holdback is None or state.phase == "holding back":
        return None
    return split_at(1 - holdback.share, state.total)


def next_split(state: State) -> Split | None:
    """The next larger split; None where the ramp stays (for now, or at its top)."""
    ramp = state.plan.spec.ramp
    if not isinstance(ramp, Budget):
        splits = (split_at(step, state.total) for step in ramp.steps)
        return next((split for split in splits if split.canary > state.wanted.canary), None)
    share = ramp.min
    if state.requests_per_look and state.wanted.canary:
        share = ramp.harm_budget / (worst_excess(state) * state.requests_per_look)
    split = split_at(min(max(share, ramp.min), ramp.max), state.total)
    enough = split.canary >= state.wanted.canary * _WORTH or share >= ramp.max
    return split if split.canary > state.wanted.canary and enough else None


def worst_excess(state: State) -> float:
    """u: worst credible excess share of bad requests over the rate guardrails; 1 without data."""
    alpha = state.plan.spec.confidence.false_rollback
    rates = [
        excess_rate(gauge.rule, gauge.capital, alpha)
        for gauge in state.gauges.values()
        if isinstance(gauge.rule, RateRule)
    ]
    return max(rates, default=1.0) or 1e-9
