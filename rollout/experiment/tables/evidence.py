"""How evidence and intervals grew from look to look, and what a replay decides."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from analysis.verdict.readout import Readout
from rollout.decide.text.measurement import beyond
from rollout.experiment.frame import to_time
from rollout.plan.fields.metric import DeclaredMetric
from rollout.review.history import RecordedRollout
from rollout.review.look import GuardrailAtLook, Look

CRASH, SEGMENTS, TOGETHER = "crash watch", "segments", "all together"
"""What has evidence of harm beside the guardrails; a rollback rests on the last."""


@dataclass(frozen=True)
class EvidenceRow:
    """Evidence at one look, as log10; a scorecard has it as shares of what decides.

    `log10_harm` is a guardrail's part of the mean that a rollback rests on, which needs
    `log10_harm_needed`; `log10_safety` is its evidence of being within its margin, of which every
    guardrail needs `log10_safety_needed` for a promotion. `verdict` is that of the look.
    """

    seconds: float
    at: datetime
    guardrail: str
    log10_harm: float | None
    log10_harm_needed: float
    log10_safety: float | None
    log10_safety_needed: float | None
    verdict: str


@dataclass(frozen=True)
class IntervalRow:
    """The difference of bad shares at one look, canary minus stable, with its interval.

    The interval holds at all looks at once: its lower end with 1 - falseRollback, its upper end
    with 1 - falsePromotion. A histogram has a row for each `edge` that is compared; `decides` marks
    the one that is furthest from its proof. `allowed` is the margin on the same scale.
    """

    seconds: float
    at: datetime
    guardrail: str
    what: str
    edge: float | None
    decides: bool
    canary_units: int
    stable_units: int
    canary_bad: int
    stable_bad: int
    difference: float | None
    low: float | None
    high: float | None
    allowed: float | None


@dataclass(frozen=True)
class ReplayRow:
    """One look: the recorded decision and what the installed version decides from its counts.

    `differs` names what is not the same; `controller` is the build that decided then.
    """

    seconds: float
    entry: int | None
    recorded: str
    replayed: str
    differs: str
    controller: str


def evidence(record: RecordedRollout) -> Iterator[EvidenceRow]:
    """Yield the evidence by look: of guardrails, crash watch, segments, and all together."""
    harm_needed, safety_needed = -math.log10(record.alpha), -math.log10(record.beta)
    for look in record.looks:
        at = to_time(look.at)
        for reading in look.readings:
            yield EvidenceRow(
                seconds=look.seconds,
                at=at,
                guardrail=reading.guardrail,
                log10_harm=reading.log10_harm,
                log10_harm_needed=harm_needed,
                log10_safety=reading.log10_proof,
                log10_safety_needed=safety_needed,
                verdict=reading.verdict,
            )
        rest = {CRASH: look.log10_crash, SEGMENTS: look.log10_segments, TOGETHER: look.log10_mean}
        for name, harm in rest.items():
            if harm is not None:
                yield EvidenceRow(look.seconds, at, name, harm, harm_needed, None, None, "")


def intervals(record: RecordedRollout) -> Iterator[IntervalRow]:
    """Yield every interval by look."""
    metrics = {g.name: g.metric for g in record.state.plan.spec.guardrails}
    for look in record.looks:
        for reading in look.readings:
            for readout in reading.edges:
                yield _build_interval(look, reading, readout, metrics[reading.guardrail])


def _build_interval(
    look: Look,
    reading: GuardrailAtLook,
    readout: Readout,
    metric: DeclaredMetric,
) -> IntervalRow:
    return IntervalRow(
        seconds=look.seconds,
        at=to_time(look.at),
        guardrail=reading.guardrail,
        what=describe_share(readout, metric),
        edge=readout.edge,
        decides=readout.edge == reading.readout.edge,
        canary_units=readout.canary,
        stable_units=readout.stable,
        canary_bad=readout.canary_bad,
        stable_bad=readout.stable_bad,
        difference=readout.estimate,
        low=readout.low,
        high=readout.high,
        allowed=readout.allowed,
    )


def describe_share(readout: Readout, metric: DeclaredMetric) -> str:
    """Describe what is counted as bad: `share slower than 250 ms`, `share of bad requests`."""
    if metric.human is not None:
        return "share that people call bad"
    if metric.kind in {"ratio", "exposure"}:
        return f"sum of {metric.unit}" if metric.kind == "ratio" else f"{metric.unit} alone"
    if metric.pairs is not None:
        return "share of pairs lost"
    if metric.edge is not None:
        return f"share {beyond(metric)}"
    if readout.edge is None:
        is_shape = metric.kind == "shape"  # no edge is chosen yet
        return f"values in {metric.unit}" if is_shape else f"share of bad {metric.unit}"
    side = "above" if metric.worse == "high" else "at or below"
    unit = f" {metric.unit}" if metric.is_time else ""
    return f"share {side} {readout.edge:.3g}{unit}"


def replay(record: RecordedRollout) -> Iterator[ReplayRow]:
    """Yield each look with what was decided, and what is decided again."""
    for look in record.looks:
        yield ReplayRow(
            seconds=look.seconds,
            entry=look.decided.seq if look.decided else None,
            recorded=look.fact.action if look.fact else "nothing new",
            replayed=look.again.action if look.again else "nothing new",
            differs=", ".join(look.differs),
            controller=look.controller,
        )
