"""The dispersion of stable's pods, learned from their past before the first step."""

from __future__ import annotations

from collections.abc import Mapping

from analysis.counting.counts import EvidenceError
from analysis.counting.per_pod import PodCounts
from analysis.dispersion.estimate import Dispersion
from rollout.decide.evidence.blindness import blindness
from rollout.decide.record.facts import Learned
from rollout.decide.state.rollout import RolloutState
from rollout.plan.model.plan import Plan

NO_CANARY = "the canary has no pods yet: state how many it gets, `pods: {canary: 2}`"


def is_due(state: RolloutState, now: float) -> bool:
    """Return whether the past must be read now.

    That is before anything is routed, once every guardrail has samples, and again as long as a
    guardrail has no valid test.
    """
    is_learned = state.learned is not None and not state.unknown
    is_possible = state.plan.spec.pods is not None and not state.stepped and not state.is_terminal
    return is_possible and not is_learned and not blindness(state, now)


def learn(
    state: RolloutState,
    pods: Mapping[str, PodCounts],
    problems: Mapping[str, str],
    *,
    at: float,
    rollout: str,
) -> Learned:
    """Return every guardrail's dispersion, or in words why there is none."""
    canary = canary_pods(state.plan, pods)
    dispersions: dict[str, Dispersion] = {}
    reasons = dict(problems) if canary else {**dict.fromkeys(pods, NO_CANARY), **problems}
    for name in sorted(pods.keys() - reasons.keys()):
        try:
            test = state.guardrails[name].test
            dispersions[name] = test.estimate_dispersion(pods[name], canary)
        except EvidenceError as error:
            reasons[name] = str(error)
    return Learned(rollout=rollout, at=at, dispersions=dispersions, problems=reasons)


def canary_pods(plan: Plan, pods: Mapping[str, PodCounts]) -> int:
    """Return the number of canary pods: the plan's, else the most in any guardrail's series."""
    declared = plan.spec.pods.canary if plan.spec.pods else None
    return declared or max((history.canary for history in pods.values()), default=0)
