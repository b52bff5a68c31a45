"""The next weight of a ramp: by fixed steps, or paced by the harm that may still exist."""

from __future__ import annotations

from rollout.decide.evidence.exposure import mirror_of, ramp_mode, segment_of
from rollout.decide.record.split import Split, split_at, total_for
from rollout.decide.state.rollout import RolloutState
from rollout.plan.model.plan import Budget, Plan
from rollout.plan.model.trial.terms import Allocation

# An evidence ramp raises the weight only by at least this factor: each change of the mesh costs a
# bake time, and a smaller rise would not be worth it.
_MIN_STEP_FACTOR = 1.1


def total_of(plan: Plan) -> int:
    """Return the constant total of a plan's splits: 10,000 where a share or ramp needs it."""
    ramp, holdback, mirror = plan.spec.ramp, plan.spec.holdback, mirror_of(plan)
    allocation = _find_allocation(plan)
    if isinstance(ramp, Budget):
        return 10_000
    others = [option.share for option in (holdback, mirror) if option]
    bounds = [allocation.least, allocation.most] if allocation else []
    return total_for([*ramp.steps, *others, *bounds])


def _find_allocation(plan: Plan) -> Allocation | None:
    """Return how an experiment's shares follow the evidence; None where they are fixed."""
    return plan.spec.experiment.allocation if plan.spec.experiment else None


def max_splits(plan: Plan) -> list[Split]:
    """Return the largest splits of a plan's ramp: of mirrored requests, and of real ones."""
    total, mirror = total_of(plan), mirror_of(plan)
    copies = [split_at(mirror.share, total, "mirror")] if mirror else []
    allocation = _find_allocation(plan)
    most = max(plan.spec.ramp.most, allocation.most if allocation else 0.0)
    return [*copies, split_at(most, total, ramp_mode(plan))]


def at_last_step(state: RolloutState) -> bool:
    """Return whether the canary has the largest weight that the plan allows before promotion.

    An experiment whose shares have moved stays at its last step, whatever they are.
    """
    if state.trial.has_moved:
        return True
    top = split_at(state.plan.spec.ramp.most, state.total)
    return ramp_weight(state) >= top.canary


def ramp_weight(state: RolloutState) -> int:
    """Return the canary's weight on the ramp: 0 while mirroring, the total beyond the ramp.

    A split in another mode than the ramp's is beyond it. Otherwise a segment's ramp would be
    entered again from a weight of all requests, which a holdback or a person had set.
    """
    wanted = state.wanted
    if wanted.way == "mirror":
        return 0
    is_beyond = wanted.canary and wanted.way != ramp_mode(state.plan)
    return state.total if is_beyond else wanted.canary


def held_back(state: RolloutState) -> Split | None:
    """Return the split that leaves stable its holdback; None without a holdback, or in it.

    A higher weight that a person set stays: the controller never takes traffic away without harm.
    """
    holdback, wanted = state.plan.spec.holdback, state.wanted
    if holdback is None or state.phase == "holding back":
        return None
    split = split_at(1 - holdback.share, state.total)
    if wanted.way == "weights" and wanted.canary > split.canary:
        return wanted if wanted.stable else None
    return split


def is_holdback(state: RolloutState) -> bool:
    """Return whether all but stable's holdback, or less, is at the canary."""
    holdback, split = state.plan.spec.holdback, state.split
    if holdback is None or split.way != "weights" or not split.stable:
        return False
    return split.canary >= split_at(1 - holdback.share, state.total).canary


def next_split(state: RolloutState) -> Split | None:
    """Return the next larger split; None where the ramp stays (for now, or at its last step).

    Before the first step, requests are mirrored if the plan says so.
    """
    ramp, mirror, way = state.plan.spec.ramp, mirror_of(state.plan), ramp_mode(state.plan)
    if mirror is not None and not state.stepped:
        return split_at(mirror.share, state.total, "mirror")
    if state.trial.has_moved:
        return None
    now = ramp_weight(state)
    if not isinstance(ramp, Budget):
        splits = (split_at(step, state.total, way) for step in ramp.steps)
        return next((split for split in splits if split.canary > now), None)
    # Share at which the worst credible excess costs exactly the budget of bad requests per look.
    share = ramp.min
    if state.requests_per_look and now:
        share = ramp.harm_budget / (worst_excess(state) * _count_ramp_requests(state))
    split = split_at(min(max(share, ramp.min), ramp.max), state.total, way)
    is_enough = split.canary >= now * _MIN_STEP_FACTOR or share >= ramp.max
    return split if split.canary > now and is_enough else None


def first_split(state: RolloutState) -> Split:
    """Return the ramp's first split: its first step, or the least share of an evidence ramp."""
    ramp, way = state.plan.spec.ramp, ramp_mode(state.plan)
    share = ramp.min if isinstance(ramp, Budget) else min(ramp.steps)
    return split_at(share, state.total, way)


def retreat_split(state: RolloutState, *, to_nothing: bool) -> Split:
    """Return where a retreat leads: to the first step, or to 0.

    It is 0 where it has to be, where the canary has no more than the first step already, and for
    a switch of all traffic.
    """
    first = first_split(state)
    is_lower = state.wanted.way == first.way and first.canary < state.wanted.canary
    if to_nothing or not is_lower or state.plan.spec.before is not None:
        return Split(0, state.total)
    return first


def _count_ramp_requests(state: RolloutState) -> float:
    """Return requests per look on the ramp: the segment's, or all if its share is unknown."""
    segment = segment_of(state.plan)
    return state.requests_per_look * (segment.share or 1.0 if segment else 1.0)


def worst_excess(state: RolloutState) -> float:
    """Return u, the worst credible excess share of bad requests (0 to 1; 1 without data).

    It is the worst over the rate guardrails, and at least 1e-9, since it divides the budget.
    """
    alpha = state.plan.spec.confidence.false_rollback
    excess_rates = (guardrail.test.excess_rate(alpha) for guardrail in state.guardrails.values())
    return max((rate for rate in excess_rates if rate is not None), default=1.0) or 1e-9
