"""What is exported, worked out from states and counts; nothing is served here."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import get_args

from analysis.verdict.readout import harm_share
from analysis.verdict.verdict import Judgement
from rollout.decide.evidence.blindness import blindness
from rollout.decide.rules.view import view
from rollout.decide.state import hooks
from rollout.decide.state.rollout import Phase, RolloutState

EDGES = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, math.inf)
"""Upper edges of the buckets of ticks, in seconds."""

KEPT = 3600.0  # seconds for which a rollout that has ended is still exported

Labels = dict[str, str]
Sample = tuple[str, Labels, float]  # name, labels, value

_PHASES: tuple[Phase, ...] = get_args(Phase)


@dataclass(frozen=True)
class Ticks:
    """Ticks since the start: how many fell in each bucket of EDGES, their sum, and failures."""

    buckets: tuple[int, ...] = (0,) * len(EDGES)
    seconds: float = 0.0
    failures: int = 0

    def another(self, seconds: float, *, failed: bool) -> Ticks:
        """One more tick."""
        place = next(i for i, edge in enumerate(EDGES) if seconds <= edge)
        counts = tuple(n + (i == place) for i, n in enumerate(self.buckets))
        return Ticks(counts, self.seconds + seconds, self.failures + failed)


@dataclass(frozen=True)
class Told:
    """What the journal told: the same after a restart, so that counters do not fall back."""

    states: Mapping[str, RolloutState]
    decisions: Mapping[tuple[str, str], int] = field(default_factory=dict)
    route_failures: int = 0
    entries: int = 0
    refusals: int = 0
    hook_failures: int = 0


def of_process(version: str, ticks: Ticks, age: float) -> Iterator[Sample]:
    """The controller's own health."""
    yield "surefoot_build_info", {"version": version}, 1.0
    yield "surefoot_tick_age_seconds", {}, max(0.0, age)
    yield "surefoot_tick_failures_total", {}, ticks.failures
    name, below = "surefoot_tick_duration_seconds", 0
    for edge, count in zip(EDGES, ticks.buckets, strict=True):
        below += count
        yield f"{name}_bucket", {"le": "+Inf" if math.isinf(edge) else f"{edge:g}"}, below
    yield f"{name}_count", {}, below
    yield f"{name}_sum", {}, ticks.seconds


def of_journal(told: Told) -> Iterator[Sample]:
    """What was decided."""
    yield "surefoot_journal_entries_total", {}, told.entries
    yield "surefoot_route_failures_total", {}, told.route_failures
    yield "surefoot_hook_failures_total", {}, told.hook_failures
    yield "surefoot_refusals_total", {}, told.refusals
    # From 0 on where it matters: `increase` does not see a series that begins at 1.
    counts = dict.fromkeys(FROM_ZERO, 0) | dict(told.decisions)
    for (action, reason), count in sorted(counts.items()):
        yield "surefoot_decisions_total", {"action": action, "reason": reason}, count


FROM_ZERO: tuple[tuple[str, str], ...] = (
    *(("promote", reason) for reason in ("all-safe", "human", "inconclusive")),
    *(("roll back", reason) for reason in ("harmful", "human", "inconclusive")),
    *(("roll back", reason) for reason in ("blind-too-long", "patience-over")),
    *(("pause", reason) for reason in ("human", "drift", "blind-too-long", "inconclusive")),
    ("pause", "no-valid-test"),
    ("advance", "nothing-harmful"),
    ("resume", "human"),
)
"""Decisions that change something, by action and reason."""


def of_rollout(rollout: str, state: RolloutState) -> Iterator[Sample]:
    """One rollout's weights, phase and evidence; an ended one's weights and phase."""
    who = _who(rollout, state)
    for phase in _PHASES:
        yield "surefoot_rollout_phase", {**who, "phase": phase}, float(state.phase == phase)
    yield "surefoot_rollout_weight_declared_ratio", who, state.wanted.answered
    yield "surefoot_rollout_weight_confirmed_ratio", who, state.split.answered
    yield "surefoot_rollout_route_attempts", who, state.attempts
    yield "surefoot_rollout_hooks_failed", who, len(hooks.unanswered(state))
    if not state.terminal:
        # What the evidence amounts to does not hang on the time; it is not worked out in numbers
        # for people, which takes five times as long.
        yield from _evidence(who, view(state, state.started_at).judgement)


def _evidence(who: Labels, judgement: Judgement) -> Iterator[Sample]:
    joint = harm_share(judgement.log_joint, judgement.alpha)
    yield "surefoot_rollout_harm_evidence_ratio", who, joint
    for name in judgement.guards:
        which = {**who, "guardrail": name}
        yield "surefoot_guardrail_harm_evidence_ratio", which, judgement.harm_of(name)
        proof = judgement.proof_of(name)
        if proof is not None:
            yield "surefoot_guardrail_proof_evidence_ratio", which, proof


def of_blindness(rollout: str, state: RolloutState, now: float) -> Iterator[Sample]:
    """For how long each guardrail of a rollout under way could not be judged."""
    if state.terminal:
        return
    who, blind = _who(rollout, state), blindness(state, now)
    for name in state.gauges:
        seconds = max(0.0, now - blind[name].since) if name in blind else 0.0
        yield "surefoot_guardrail_blind_seconds", {**who, "guardrail": name}, seconds


def _who(rollout: str, state: RolloutState) -> Labels:
    meta = state.plan.metadata
    return {"rollout": rollout, "plan": meta.name, "plan_namespace": meta.namespace}


def exported(state: RolloutState, now: float) -> bool:
    """Whether a rollout is under way or ended lately: series of old ones would pile up."""
    ended = state.confirmed_at or state.started_at
    return not state.terminal or now - ended < KEPT
