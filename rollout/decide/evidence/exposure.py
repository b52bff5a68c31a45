"""Who is exposed to the canary: its share of all requests, as far as a split tells it."""

from __future__ import annotations

from rollout.decide.record.split import Split, Way
from rollout.decide.state.rollout import RolloutState
from rollout.plan.model.plan import Plan
from rollout.plan.model.traffic import Mirror, Segment


def segment_of(plan: Plan) -> Segment | None:
    """The requests that take part, where those are not all."""
    return plan.spec.traffic.segment if plan.spec.traffic else None


def mirror_of(plan: Plan) -> Mirror | None:
    """The copies that come before the first step, if any."""
    return plan.spec.traffic.mirror if plan.spec.traffic else None


def has_affinity(plan: Plan) -> bool:
    """Whether a user meets the same version again, so that requests come in users' clusters."""
    return plan.spec.traffic is not None and plan.spec.traffic.affinity is not None


def ramp_mode(plan: Plan) -> Way:
    """The way of the ramp's own splits."""
    return "segment" if segment_of(plan) else "weights"


def share_of_all(plan: Plan, split: Split) -> float | None:
    """The share of all requests that the canary answers; None where the segment's is not declared.

    Copies are answered by stable: nobody sees what the canary makes of them.
    """
    segment = segment_of(plan)
    if split.way != "segment" or segment is None:
        return split.answered
    return None if segment.share is None else split.share * segment.share


def may_hold_mirrored(state: RolloutState, since: float | None, lag: float) -> bool:
    """Whether the look that began at `since` may hold copies, by samples that come `lag` late."""
    if "mirror" in {state.wanted.way, state.split.way}:
        return True
    until = state.mirrored_until
    return until is not None and (since is None or since < until + lag)


def exposure_guardrail(plan: Plan) -> str:
    """The guardrail whose exposures count requests: the first one that the proxy itself reports."""
    guardrails = plan.spec.guardrails
    return next((g for g in guardrails if g.source.proxy), guardrails[0]).name
