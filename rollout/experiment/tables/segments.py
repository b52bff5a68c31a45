"""Each segment of each guardrail: interval, verdict, and whether the canary is better or worse."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from analysis.verdict.readout import Readout
from rollout.decide.text.error_rates import explain_verdict
from rollout.decide.text.evidence import describe_suppressed
from rollout.decide.text.suppression import find_suppressed
from rollout.errors import InputError
from rollout.experiment.tables import uplift
from rollout.experiment.tables.evidence import describe_share
from rollout.experiment.tables.retest import list_counts
from rollout.experiment.tables.scorecard import find_last_view
from rollout.experiment.tables.uplift import OPEN, UpliftRow
from rollout.plan.model.trial.segments import SegmentGuardrail
from rollout.review.history import RecordedRollout

LEVEL = 0.05
"""The chance that any row is ever called better or worse wrongly, unless another is asked for."""


@dataclass(frozen=True)
class SegmentRow:
    """One segment of one guardrail at the last look that was judged.

    Units, shares, `difference`, `low`, `high` and `allowed` are as in a scorecard; `change` is
    relative to stable's share. `harm` is the share of a rollback's evidence: 1 decides. `better`
    and `worse` are evidence of a difference without margin, as log10, of rates: alone, and
    corrected for all rows and the guardrails as a whole (e-Holm); `needed` is what a conclusion
    takes. Where numbers are not told (few units of a version, or a segment with few units could be
    computed from them), all are missing and `note` says so.
    """

    label: str
    segment: str
    guardrail: str
    verdict: str
    what: str
    canary_units: int | None
    stable_units: int | None
    canary_share: float | None
    stable_share: float | None
    difference: float | None
    low: float | None
    high: float | None
    allowed: float | None
    change: float | None
    harm: float | None
    better: float | None
    worse: float | None
    better_of_all: float | None
    worse_of_all: float | None
    needed: float
    conclusion: str
    note: str


def segments(
    record: RecordedRollout, label: str | None = None, level: float = LEVEL
) -> Iterator[SegmentRow]:
    """Yield every segment of the plan, or those of one label; none where it declares none.

    Raises InputError for a label that the plan does not split by, or a level that is no chance.
    """
    uplift.check_level(level)
    every = record.state.plan.spec.segment_guardrails
    labels = dict.fromkeys(segment.label for segment in every)
    if label is not None and label not in labels:
        names = f"its segments are of {', '.join(labels)}" if labels else "it has no segments"
        raise InputError(
            f"the plan does not split by the label {label!r}: {names}. A journal holds only "
            "what its plan names; declare it in `segments` of the next one"
        )
    last = find_last_view(record)
    readouts = {segment.name: last.judgement.read_segment(segment.name) for segment in every}
    suppressed = find_suppressed(last.state)
    compared_segments = [segment for segment in every if segment.name not in suppressed]
    compared = _compare(record, compared_segments, level)
    by_name = {segment.name: segment for segment in every}
    notes = {name: describe_suppressed(by_name[name], why) for name, why in suppressed.items()}
    for segment in every:
        if label is None or segment.label == label:
            verdict = last.judgement.segment_verdicts[segment.name]
            explained = explain_verdict(last.state, segment.name, verdict)
            yield _build_row(
                segment,
                None if segment.name in suppressed else readouts[segment.name],
                (verdict.kind, notes.get(segment.name, explained)),
                compared.get(segment.name),
                level,
            )


def _compare(
    record: RecordedRollout, compared_segments: Sequence[SegmentGuardrail], level: float
) -> Mapping[str, UpliftRow]:
    """Return by segment its comparison without margin, corrected for all rows.

    One family are the rows that are shown and the guardrails that they are parts of.
    """
    rows: dict[str, UpliftRow] = {}
    whole = {segment.of for segment in compared_segments}
    guardrails = {g.name: g for g in record.state.plan.spec.guardrails if g.name in whole}
    guardrails |= {segment.name: segment.guardrail for segment in compared_segments}
    for name, guardrail in guardrails.items():
        if guardrail.bad_margin is None:
            continue
        dispersion = record.state.measured[name].test.dispersion
        row = uplift.compare(guardrail, list_counts(record, name), None, dispersion, level)
        if row is not None:
            rows[name] = row
    return dict(zip(rows, uplift.correct([*rows.values()], level), strict=True))


def _build_row(
    segment: SegmentGuardrail,
    readout: Readout | None,
    verdict: tuple[str, str],
    row: UpliftRow | None,
    level: float,
) -> SegmentRow:
    kind, note = verdict
    return SegmentRow(
        label=segment.label,
        segment=segment.value,
        guardrail=segment.of,
        verdict=kind,
        what=describe_share(readout or Readout(), segment.guardrail.metric),
        canary_units=readout.canary if readout else None,
        stable_units=readout.stable if readout else None,
        canary_share=readout.canary_bad / readout.canary if readout else None,
        stable_share=readout.stable_bad / readout.stable if readout else None,
        difference=readout.estimate if readout else None,
        low=readout.low if readout else None,
        high=readout.high if readout else None,
        allowed=readout.allowed if readout else None,
        change=row.change if row else None,
        harm=readout.harm if readout else None,
        better=row.better if row else None,
        worse=row.worse if row else None,
        better_of_all=row.better_of_all if row else None,
        worse_of_all=row.worse_of_all if row else None,
        needed=-math.log10(level),
        conclusion=row.conclusion if row else OPEN,
        note=note,
    )
