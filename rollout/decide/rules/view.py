"""The input of every rule: the state, the time and the judgement at that time."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property

from analysis import sample_ratio
from analysis.rates.limit import SUSPICION
from analysis.verdict.verdict import Guarded, Judgement, judge
from rollout.decide.evidence.blindness import Blind, blindness, find_unseen
from rollout.decide.state.rollout import RolloutState
from rollout.decide.text.comparison import observational
from rollout.decide.text.measurement import NEAR


@dataclass(frozen=True)
class View:
    """The input of every rule."""

    state: RolloutState
    now: float
    blind: Mapping[str, Blind]
    judgement: Judgement
    lived: float | None = None

    @property
    def clock(self) -> float:
        """The rollout's clock, by which everything that lasts for a declared time is measured."""
        return self.state.clock_at(self.now, self.lived)

    def blind_for(self, name: str) -> float:
        """Return for how long a guardrail is blind, from the first look that was, or a resume."""
        state = self.state
        since = self.blind[name].since
        if state.is_lived:
            since = state.blind_since.get(name, self.clock)
        return self.clock - max(since, state.resumed_at)

    @cached_property
    def is_baked(self) -> bool:
        """Whether the bake time is over, counted from when the traffic agreed with the step."""
        steady = self.state.steady_at
        return steady is not None and self.clock - steady >= self.state.plan.spec.ramp.bake

    @property
    def is_skewed(self) -> bool:
        """Whether the observed traffic share contradicts the split (sample-ratio mismatch)."""
        return sample_ratio.mismatched(self.state.shares)

    @property
    def suspected(self) -> tuple[str, ...]:
        """The guardrails whose evidence would roll back, had stable no troubles of its own.

        The error rate is shared evenly, as if each guardrail were tested alone.
        """
        state = self.state
        if not state.suspects:
            return ()
        alpha = state.plan.spec.confidence.false_rollback / max(len(state.guardrails), 1)
        bar = math.log(SUSPICION / alpha)
        rises = {name: own.test.log_rise for name, own in state.guardrails.items()}
        return tuple(sorted(name for name, rise in rises.items() if rise >= bar))

    @property
    def near_harm(self) -> bool:
        """Whether the evidence of harm is more than half of a rollback's, in logs.

        The joint evidence suffices: it is at least as large as every guardrail's part of it.
        """
        return self.judgement.joint_share > NEAR


def view(state: RolloutState, now: float, lived: float | None = None) -> View:
    """Judge the state at `now` and return the view for the rules.

    `lived` is the rollout's lived time in seconds; None: as the wall clock went on.
    """
    blind, unseen = blindness(state, now, lived), find_unseen(state, now, lived)
    confidence, label = state.plan.spec.confidence, bool(observational(state.plan))
    guards = {
        guardrail.name: Guarded(
            test=state.guardrails[guardrail.name].test,
            importance=guardrail.importance,
            blind=unseen[guardrail.name].reason if guardrail.name in unseen else "",
            observational=label,
            own_logs=state.guardrails[guardrail.name].logs,
        )
        for guardrail in state.plan.spec.guardrails
    }
    levels = confidence.false_rollback, confidence.false_promotion
    judgement = judge(guards, *levels, _list_segments(state, guards))
    return View(state, now, blind, judgement, lived)


def _list_segments(state: RolloutState, guards: Mapping[str, Guarded]) -> dict[str, Guarded]:
    """Return the guardrails of segments; one without samples has nothing to weigh, so far."""
    segments = {}
    for segment in state.plan.spec.segment_guardrails if state.segments else ():
        own = state.segments[segment.name]
        segments[segment.name] = replace(
            guards[segment.of],
            test=own.test,
            blind=own.problem or own.test.problem,
            own_logs=own.logs,
            of=segment.of,
        )
    return segments
