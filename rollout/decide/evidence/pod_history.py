"""What stable's past says of each guardrail before the first step: its dispersion, or why none."""

from __future__ import annotations

from collections.abc import Mapping

from analysis.counting.counts import EvidenceError
from analysis.counting.per_pod import PodCounts
from analysis.dispersion.estimate import Dispersion
from analysis.verdict.pod_dispersion import dispersion_of
from rollout.decide.evidence.blindness import blindness
from rollout.decide.record.facts import Learned
from rollout.decide.state.rollout import RolloutState
from rollout.plan.model.plan import Plan

NO_CANARY = "no pod of the canary is there to be counted: say how many by `pods: {canary: 2}`"


def is_due(state: RolloutState, now: float) -> bool:
    """Whether the past is wanted: nothing was routed yet, and every guardrail has its baseline."""
    known = state.learned is not None and not state.unknown
    fresh = state.plan.spec.pods is not None and not state.stepped and not state.terminal
    return fresh and not known and not blindness(state, now)


def learn(
    state: RolloutState,
    pods: Mapping[str, PodCounts],
    problems: Mapping[str, str],
    *,
    at: float,
    rollout: str,
) -> Learned:
    """Every guardrail's dispersion, or in words why there is none."""
    canary = canary_pods(state.plan, pods)
    found: dict[str, Dispersion] = {}
    told = dict(problems) if canary else {**dict.fromkeys(pods, NO_CANARY), **problems}
    for name in sorted(pods.keys() - told.keys()):
        try:
            found[name] = dispersion_of(state.gauges[name].rule, pods[name], canary)
        except EvidenceError as error:
            told[name] = str(error)
    return Learned(rollout=rollout, at=at, dispersions=found, problems=told)


def canary_pods(plan: Plan, pods: Mapping[str, PodCounts]) -> int:
    """The canary's pods: as many as the plan says, else as many as any guardrail's series show."""
    declared = plan.spec.pods.canary if plan.spec.pods else None
    return declared or max((past.canary for past in pods.values()), default=0)
