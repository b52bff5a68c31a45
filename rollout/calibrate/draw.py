"""Draws random splits of stable's past: which pods play the canary, and when."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from analysis.counting.beyond import past_beyond
from analysis.counting.counts import EvidenceError
from analysis.counting.per_pod import PodCounts, TickCounts
from analysis.dispersion.estimate import LEAST_TICKS
from rollout.decide.evidence.exposure import exposure_guardrail, mirror_of
from rollout.decide.evidence.pod_history import NO_CANARY, canary_pods
from rollout.errors import InputError
from rollout.plan.fields.units import duration
from rollout.plan.model.plan import Budget, Plan

LOOKS = 240
"""The most looks of a replay, unless the plan's own steps need more."""

_PRESENT = 0.9  # share of a replay's looks in which a pod must have had traffic


@dataclass(frozen=True)
class Draw:
    """One split: `looks` ticks from `first` on, the pods that play the canary, and the others."""

    first: int
    looks: int
    canary: tuple[str, ...]
    stable: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Recording:
    """Stable's past by guardrail, and the size of a replay of it.

    `plan` is what is replayed: the `declared` one without what must not happen, which is in no
    error rate. `canary`: number of pods that play the canary. `looks`: length of a replay. `labels`
    are those by which pods were found, by guardrail, where the plan declares none.
    """

    plan: Plan
    declared: Plan
    pods: Mapping[str, PodCounts]
    canary: int
    looks: int
    labels: Mapping[str, str] = field(default_factory=dict)

    @property
    def counted(self) -> PodCounts:
        """Return the past of the guardrail whose exposures are requests."""
        return self.pods[exposure_guardrail(self.plan)]

    def draw(self, dice: np.random.Generator) -> Draw | None:
        """Draw a random stretch and split; None if too few pods had traffic throughout."""
        past = self.counted
        first = int(dice.integers(0, len(past.ends) - self.looks + 1))
        lived = (past.exposures[first : first + self.looks] > 0).mean(axis=0) >= _PRESENT
        names = [pod for pod, alive in zip(past.pods, lived, strict=True) if alive]
        if len(names) <= self.canary:
            return None
        mixed = [names[i] for i in dice.permutation(len(names))]
        return Draw(first, self.looks, tuple(mixed[: self.canary]), tuple(mixed[self.canary :]))

    def arm(self, guardrail: str, draw: Draw, pods: tuple[str, ...]) -> TickCounts:
        """Return what these pods counted in each look of a draw, shape (looks, kinds)."""
        past = self.pods[guardrail]
        columns = [past.pods.index(pod) for pod in pods if pod in past.pods]
        counts = past.counts[draw.first : draw.first + draw.looks, columns]
        return np.asarray(counts.sum(axis=1))

    def unseen(self, draw: Draw) -> dict[str, PodCounts]:
        """Return the past that the rollout may learn from.

        The draw's canary pods and ticks are left out, so that the rollout is tested on data that it
        did not learn from.
        """
        return {name: self._exclude_draw(past, draw) for name, past in self.pods.items()}

    def _exclude_draw(self, past: PodCounts, draw: Draw) -> PodCounts:
        columns = [i for i, pod in enumerate(past.pods) if pod not in draw.canary]
        before, after = slice(draw.first), slice(draw.first + draw.looks, None)
        return replace(
            past,
            pods=tuple(past.pods[i] for i in columns),
            ends=past.ends[before] + past.ends[after],
            counts=np.concatenate([past.counts[before, columns], past.counts[after, columns]]),
            canary=self.canary,
        )


def recorded(
    plan: Plan, pods: Mapping[str, PodCounts], labels: Mapping[str, str] | None = None
) -> Recording:
    """Prepare a plan's past for draws. Raises InputError if no replay is possible."""
    declared, plan = plan, leave_out_unweighed(plan)
    names = {guardrail.name for guardrail in plan.spec.guardrails}
    if missing := sorted(names - pods.keys()):
        raise InputError(f"Prometheus has no history of {', '.join(missing)}")
    pods = {name: past for name, past in pods.items() if name in names}
    _check_edges(plan, pods)
    canary, counted = canary_pods(plan, pods), pods[exposure_guardrail(plan)]
    if not canary:
        raise InputError(NO_CANARY)
    if len(counted.pods) <= canary:
        raise InputError(f"stable has {len(counted.pods)} pods: a canary of {canary} needs more")
    looks = _choose_length(plan, len(counted.ends))
    return Recording(plan, declared, pods, canary, looks, labels or {})


def leave_out_unweighed(plan: Plan) -> Plan:
    """Return a plan with only what has an error rate. Raises InputError where nothing has."""
    own = [guardrail for guardrail in plan.spec.guardrails if guardrail.has_past]
    if not own:
        raise InputError(
            f"{plan.name} has `never`, ratios and exposures alone, which are in no error rate"
        )
    spec = plan.spec.model_copy(update={"guardrails": own})
    return plan.model_copy(update={"spec": spec})


def _check_edges(plan: Plan, pods: Mapping[str, PodCounts]) -> None:
    """Check that histograms have the edges that are judged. Raises InputError."""
    for guardrail in plan.spec.guardrails:
        metric = guardrail.metric
        if metric.edge is None:
            continue
        try:
            past_beyond(pods[guardrail.name], metric.edge, metric.worse, metric.spell)
        except EvidenceError as error:
            raise InputError(f"{guardrail.name}: {error}") from None


def _choose_length(plan: Plan, ticks: int) -> int:
    """Return a replay's looks: enough to decide, and LEAST_TICKS left to learn from."""
    spec = plan.spec
    steps = 1 if isinstance(spec.ramp, Budget) else len(spec.ramp.steps)
    least = math.ceil((spec.warmup + steps * spec.ramp.bake) / spec.interval) + 2 * (steps + 1)
    mirror = mirror_of(plan)
    first = (spec.before or 0.0) + (mirror.lasts if mirror else 0.0)
    least += math.ceil(first / spec.interval)
    desired = min(max(LOOKS, 2 * least), math.ceil(spec.deadline / spec.interval))
    if ticks - LEAST_TICKS < least:
        needed = duration((least + LEAST_TICKS) * spec.interval)
        raise InputError(f"the history is too short to replay this plan: {needed} are needed")
    return min(desired, ticks - LEAST_TICKS)
