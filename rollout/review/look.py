"""One look, judged and decided again from the journal's raw samples."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from analysis.histograms.alternatives import HistogramTolerance
from analysis.histograms.histogram import ShapeCapital
from analysis.verdict import guardrail
from analysis.verdict.readout import Readout, at_edges
from rollout.decide.record.facts import Decided, Observed
from rollout.decide.rules.view import View, view
from rollout.decide.state.guardrail import GuardrailState
from rollout.decide.state.rollout import RolloutState
from rollout.decide.step import step
from rollout.ports import Entry

PARTS = ("action", "split", "reasons", "numbers")
"""What a replay must give again; a sentence's wording may change between versions."""


@dataclass(frozen=True)
class Reading:
    """One guardrail at one look; logs to base 10.

    `log10_harm` is its weighted e-process, the part that it adds to the mean; `log10_proof` its
    evidence of being within its margin, None while unknown. `edges` holds a histogram's readout at
    every edge; a rate has one readout, without edge.
    """

    guardrail: str
    verdict: str
    reason: str
    log10_harm: float
    log10_proof: float | None
    readout: Readout
    edges: tuple[Readout, ...]


@dataclass(frozen=True)
class Look:
    """One look as it was judged: `decided` is what the journal holds, `again` what a replay gives.

    Both are None where nothing new was to be said. `log10_mean` is the evidence that a rollback
    rests on, `log10_crash` the crash watch's part of it.
    """

    seconds: float
    share: float
    readings: tuple[Reading, ...]
    log10_mean: float
    log10_crash: float | None
    decided: Entry | None
    again: Decided | None

    @property
    def fact(self) -> Decided | None:
        """What was decided."""
        fact = self.decided.fact if self.decided else None
        return fact if isinstance(fact, Decided) else None

    @property
    def differs(self) -> tuple[str, ...]:
        """The parts of the decision that a replay gives differently; empty: the same decision."""
        return differences(self.fact, self.again)


def differences(recorded: Decided | None, again: Decided | None) -> tuple[str, ...]:
    """The names of the parts in which two decisions differ; ("decision",) where only one exists."""
    if recorded is None or again is None:
        return () if recorded is again else ("decision",)
    return tuple(part for part in PARTS if getattr(recorded, part) != getattr(again, part))


def looks(entries: Sequence[Entry], states: Sequence[RolloutState]) -> Iterator[Look]:
    """One rollout's looks, from its entries and the state after each.

    A look is an observation with the decision at the same time, or either alone.
    """
    for place, entry in enumerate(entries):
        if isinstance(entry.fact, Observed):
            after = entries[place + 1] if place + 1 < len(entries) else None
            yield _look(states[place], entry.fact.at, _of_same_look(entry, after))
        elif isinstance(entry.fact, Decided) and not _of_same_look(entries[place - 1], entry):
            yield _look(states[place - 1], entry.fact.at, entry)


def _of_same_look(seen: Entry, then: Entry | None) -> Entry | None:
    if then is None or not isinstance(then.fact, Decided) or not isinstance(seen.fact, Observed):
        return None
    return then if then.fact.at == seen.fact.at else None


def _look(state: RolloutState, at: float, decided: Entry | None) -> Look:
    seen = view(state, at)
    crash = seen.judgement.log_crash
    return Look(
        seconds=at - state.started_at,
        share=state.split.answered,
        readings=tuple(_reading(seen, name) for name in state.gauges),
        log10_mean=_log10(seen.judgement.log_joint),
        log10_crash=None if crash is None else _log10(crash),
        decided=decided,
        again=step(state, at, decided.fact.rollout if decided else ""),
    )


def _reading(seen: View, name: str) -> Reading:
    gauge, judgement = seen.state.gauges[name], seen.judgement
    proof = guardrail.log_safe(gauge.rule, gauge.capital)
    readout, verdict = judgement.readouts[name], judgement.verdicts[name]
    return Reading(
        guardrail=name,
        verdict=verdict.kind,
        reason=verdict.reason,
        log10_harm=_log10(judgement.log_parts[name]),
        log10_proof=_log10(proof) if math.isfinite(proof) else None,
        readout=readout,
        edges=_edges(seen.state, gauge) or (readout,),
    )


def _edges(state: RolloutState, gauge: GuardrailState) -> tuple[Readout, ...]:
    if not (isinstance(gauge.rule, HistogramTolerance) and isinstance(gauge.capital, ShapeCapital)):
        return ()
    confidence = state.plan.spec.confidence
    levels = confidence.false_rollback, confidence.false_promotion
    return tuple(at_edges(gauge.rule, gauge.capital, *levels))


def _log10(natural: float) -> float:
    return natural / math.log(10)
