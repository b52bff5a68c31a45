"""Exposure to the canary: its share of all requests, as far as a split defines it."""

from __future__ import annotations

from rollout.decide.record.split import Split, Way
from rollout.decide.state.rollout import RolloutState
from rollout.plan.model.mesh.traffic import Mirror, Segment
from rollout.plan.model.plan import Plan

_COUNTED = 0.1  # share of the copies that were due, from which on a mesh counts copies


def segment_of(plan: Plan) -> Segment | None:
    """Return the plan's segment of requests; None where all take part."""
    return plan.spec.traffic.segment if plan.spec.traffic else None


def mirror_of(plan: Plan) -> Mirror | None:
    """Return the mirroring that comes before the first step; None where the plan has none."""
    return plan.spec.traffic.mirror if plan.spec.traffic else None


def has_affinity(plan: Plan) -> bool:
    """Return whether users keep their version, so that requests come in clusters by user."""
    return plan.spec.traffic is not None and plan.spec.traffic.affinity is not None


def ramp_mode(plan: Plan) -> Way:
    """Return the mode of the ramp's splits."""
    return "segment" if segment_of(plan) else "weights"


def share_of_all(plan: Plan, split: Split) -> float | None:
    """Return the share (0 to 1) of all requests that the canary answers.

    None where the plan does not declare the segment's share. Mirrored requests are answered by
    stable, so they do not count.
    """
    segment = segment_of(plan)
    if split.way != "segment" or segment is None:
        return split.served_share
    return None if segment.share is None else split.share * segment.share


def is_clustered(state: RolloutState) -> bool:
    """Return whether requests come in clusters by user, or the share is known only roughly."""
    return has_affinity(state.plan) or state.split.way == "segment"


def may_hold_mirrored(state: RolloutState, since: float | None, lag: float) -> bool:
    """Return whether a look from `since` on may hold mirrored requests; samples are `lag` late."""
    if "mirror" in {state.wanted.way, state.split.way}:
        return True
    until = state.mirrored_until
    return until is not None and (since is None or since < until + lag)


def counts_copies(state: RolloutState) -> bool:
    """Return whether the mesh counts the canary's copies: not every one does.

    A tester's request now and then is no copy. Not all of those that were due have to be counted:
    the first look also holds the time before them.
    """
    tally = state.copy_tally
    return tally.canary >= max(tally.due * _COUNTED, 1)


def exposure_guardrail(plan: Plan) -> str:
    """Return the guardrail whose exposures count requests.

    It is one that counts nothing else, else the first that the proxy reports.
    """
    every = plan.spec.guardrails
    counting = [guardrail for guardrail in every if guardrail.metric.kind == "exposure"]
    if counting:
        return counting[0].name
    judged = [g for g in every if g.metric.kind not in {"ratio", "pairs", "human"}] or every
    guardrails = [guardrail for guardrail in judged if guardrail.metric.needs_stable] or judged
    return next((g for g in guardrails if g.metric.is_proxy), guardrails[0]).name
