"""The dispersion of stable's pods or totals, learned from the past before the first step."""

from __future__ import annotations

from collections.abc import Mapping

from analysis.counting.beyond import past_beyond
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
    guardrail of a plan that declares pods has no valid test.
    """
    is_final = state.plan.spec.pods is None or not state.unknown
    is_learned = state.learned is not None and is_final
    is_possible = state.reads_past and not state.stepped and not state.is_terminal
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
    canary = canary_pods(state.plan, pods) if state.plan.spec.pods else None
    metrics = {guardrail.name: guardrail.metric for guardrail in state.plan.spec.guardrails}
    dispersions: dict[str, Dispersion] = {}
    reasons = {**dict.fromkeys(pods, NO_CANARY), **problems} if canary == 0 else dict(problems)
    for name in sorted(pods.keys() - reasons.keys()):
        try:
            test, metric = state.guardrails[name].test, metrics[name]
            past = pods[name]
            if metric.edge is not None:
                past = past_beyond(past, metric.edge, metric.worse)
            dispersions[name] = test.estimate_dispersion(past, canary)
        except EvidenceError as error:
            reasons[name] = str(error)
    return Learned(rollout=rollout, at=at, dispersions=dispersions, problems=reasons)


def canary_pods(plan: Plan, pods: Mapping[str, PodCounts]) -> int:
    """Return the number of canary pods: the plan's, else the most in any guardrail's series."""
    declared = plan.spec.pods.canary if plan.spec.pods else None
    return declared or max((history.canary for history in pods.values()), default=0)
