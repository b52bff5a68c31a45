"""Computes the samples of every exported metric from states and counts; serves nothing."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import get_args

from analysis.verdict.readout import harm_share
from analysis.verdict.verdict import Judgement
from rollout.decide.evidence.blindness import blindness
from rollout.decide.record.facts import Action
from rollout.decide.record.reasons import Reason
from rollout.decide.rules.view import view
from rollout.decide.state import hooks
from rollout.decide.state.rollout import Phase, RolloutState
from rollout.decide.text.suppression import find_suppressed

EDGES = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, math.inf)
"""Upper bounds of the tick duration buckets, in seconds."""

KEPT = 3600.0  # seconds after its end for which a rollout is still exported

Labels = dict[str, str]
Sample = tuple[str, Labels, float]  # name, labels, value

WISHES: tuple[Action, ...] = (
    *("hold", "advance", "hold back", "promote", "roll back", "retreat", "pause", "reallocate"),
)
"""What full authority may choose where a rollout has less."""

_PHASES: tuple[Phase, ...] = get_args(Phase)


@dataclass(frozen=True)
class Ticks:
    """Ticks since the process started: counts by bucket of EDGES, total seconds, and failures."""

    buckets: tuple[int, ...] = (0,) * len(EDGES)
    seconds: float = 0.0
    failures: int = 0

    def another(self, seconds: float, *, failed: bool) -> Ticks:
        """Return the counts with one more tick."""
        bucket = next(i for i, edge in enumerate(EDGES) if seconds <= edge)
        counts = tuple(n + (i == bucket) for i, n in enumerate(self.buckets))
        return Ticks(counts, self.seconds + seconds, self.failures + failed)


@dataclass(frozen=True)
class Told:
    """What is counted from the journal, and therefore the same after a restart.

    Counters that fell back to zero would look like a reset to Prometheus.
    """

    states: Mapping[str, RolloutState]
    decisions: Mapping[tuple[str, str], int] = field(default_factory=dict)
    route_failures: int = 0
    entries: int = 0
    refusals: int = 0
    hook_failures: int = 0
    attempts: Mapping[str, int] = field(default_factory=dict)  # in a row, by rollout


def of_process(version: str, ticks: Ticks, age: float) -> Iterator[Sample]:
    """Yield the samples of the controller's own health."""
    yield "surefoot_build_info", {"version": version}, 1.0
    yield "surefoot_tick_age_seconds", {}, max(0.0, age)
    yield "surefoot_tick_failures_total", {}, ticks.failures
    name, below = "surefoot_tick_duration_seconds", 0  # buckets are cumulative in the format
    for edge, count in zip(EDGES, ticks.buckets, strict=True):
        below += count
        yield f"{name}_bucket", {"le": "+Inf" if math.isinf(edge) else f"{edge:g}"}, below
    yield f"{name}_count", {}, below
    yield f"{name}_sum", {}, ticks.seconds


def of_journal(totals: Told) -> Iterator[Sample]:
    """Yield the samples counted from the journal."""
    yield "surefoot_journal_entries_total", {}, totals.entries
    yield "surefoot_route_failures_total", {}, totals.route_failures
    yield "surefoot_hook_failures_total", {}, totals.hook_failures
    yield "surefoot_refusals_total", {}, totals.refusals
    # Export 0 before the first event: `increase` does not count a series that starts at 1.
    counts = dict.fromkeys(FROM_ZERO, 0) | dict(totals.decisions)
    for (action, reason), count in sorted(counts.items()):
        yield "surefoot_decisions_total", {"action": action, "reason": reason}, count


FROM_ZERO: tuple[tuple[Action, Reason], ...] = (
    *(("promote", reason) for reason in (Reason.ALL_SAFE, Reason.HUMAN, Reason.INCONCLUSIVE)),
    *(("roll back", reason) for reason in (Reason.HARMFUL, Reason.HUMAN, Reason.INCONCLUSIVE)),
    *(("roll back", reason) for reason in (Reason.BLIND_TOO_LONG, Reason.PATIENCE_OVER)),
    *(("pause", reason) for reason in (Reason.HUMAN, Reason.DRIFT, Reason.BLIND_TOO_LONG)),
    *(("pause", reason) for reason in (Reason.INCONCLUSIVE, Reason.NO_VALID_TEST)),
    ("advance", Reason.NOTHING_HARMFUL),
    ("reallocate", Reason.REALLOCATED),
    ("resume", Reason.HUMAN),
)
"""Decisions that change something, by action and reason: exported as 0 before they occur."""


def of_rollout(rollout: str, state: RolloutState) -> Iterator[Sample]:
    """Yield one rollout's weights, phase and, until it has ended, its evidence."""
    labels = _build_labels(rollout, state)
    for phase in _PHASES:
        yield "surefoot_rollout_phase", {**labels, "phase": phase}, float(state.phase == phase)
    yield "surefoot_rollout_weight_declared_ratio", labels, state.wanted.served_share
    yield "surefoot_rollout_weight_confirmed_ratio", labels, state.live.served_share
    yield "surefoot_rollout_hooks_failed", labels, len(hooks.unanswered(state))
    if state.authority != "full" and not state.is_terminal:
        wish = state.last.would.action if state.last and state.last.would else "hold"
        for action in WISHES:
            yield "surefoot_rollout_would_act", {**labels, "action": action}, float(action == wish)
    following = state.following
    if following is not None and following.outcome in {"seen", "not followed"}:
        yield "surefoot_rollout_traffic_follows", labels, float(not following.blocks_next)
    if not state.is_terminal:
        # The judgement does not depend on the time, so any time will do and the lines can be cached
        # (see `Meter`). We do not compute the readout for people: it takes five times as long.
        judgement = view(state, state.started_at).judgement
        segments = state.plan.spec.segment_guardrails if judgement.segments else ()
        suppressed = find_suppressed(state)
        segment_names = [own.name for own in segments if own.name not in suppressed]
        yield from _sample_evidence(labels, judgement, segment_names)


def _sample_evidence(
    labels: Labels, judgement: Judgement, segments: Sequence[str]
) -> Iterator[Sample]:
    joint = harm_share(judgement.log_joint, judgement.alpha)
    yield "surefoot_rollout_harm_evidence_ratio", labels, joint
    for name in [*judgement.guards, *segments]:
        guardrail_labels = {**labels, "guardrail": name}
        yield "surefoot_guardrail_harm_evidence_ratio", guardrail_labels, judgement.harm_of(name)
        proof = judgement.proof_of(name)
        if proof is not None:
            yield "surefoot_guardrail_proof_evidence_ratio", guardrail_labels, proof


def of_attempts(rollout: str, state: RolloutState, attempts: Mapping[str, int]) -> Iterator[Sample]:
    """Yield how often in a row the mesh did not take a rollout's weight."""
    labels = _build_labels(rollout, state)
    yield "surefoot_rollout_route_attempts", labels, attempts.get(rollout, 0)


def of_blindness(rollout: str, state: RolloutState, now: float) -> Iterator[Sample]:
    """Yield for how long each guardrail of an active rollout has been without evidence."""
    if state.is_terminal:
        return
    labels, blind = _build_labels(rollout, state), blindness(state, now)
    for name in state.guardrails:
        seconds = max(0.0, now - blind[name].since) if name in blind else 0.0
        yield "surefoot_guardrail_blind_seconds", {**labels, "guardrail": name}, seconds


def _build_labels(rollout: str, state: RolloutState) -> Labels:
    meta = state.plan.metadata
    return {"rollout": rollout, "plan": meta.name, "plan_namespace": meta.namespace}


def exported(state: RolloutState, now: float) -> bool:
    """Tell whether to export a rollout: series of long-ended rollouts would pile up."""
    ended = state.delivery.confirmed_at or state.started_at
    is_open = not state.is_terminal or (state.following and state.following.blocks_next)
    return bool(is_open) or now - ended < KEPT
