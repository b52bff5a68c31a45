"""A judge's scores beside people's labels: by version and their difference, with the agreement."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from statistics import NormalDist

from analysis.counting.counts import Counts, EvidenceError
from analysis.rates.prediction_powered import JointTable, PoweredShare, estimate_share
from rollout.experiment.tables.quality.newest_judge import list_times
from rollout.experiment.tables.rates import VERSIONS, quantiles
from rollout.plan.fields.metric import HumanLabels
from rollout.review.history import RecordedRollout

DIFFERENCE = "canary minus stable"
NOT_COMBINABLE = "not combinable"
_LEVEL = 0.05


@dataclass(frozen=True)
class QualityRow:
    """One version's answers, or their difference: what the judge and people call bad.

    `scored` are answers with the judge's score, `labelled` those with a person's, `coverage` is
    their ratio. Where it is known what both said of the same answers, `share` combines them
    (prediction-powered inference), `low` and `high` bound it with 95 %, asked once, and `weight` is
    how far the judge's other scores entered; `agreement` is the share of labelled answers of which
    both say the same, `kappa` how much of that is beyond chance. Else `combined` is `not
    combinable`, and both stand apart. `delay_above` and `delay_up_to` are the edges between which
    the median of how long a label took lies. `other` labels say neither good nor bad. `note` says
    what is not enough. With another version of the judge all of it starts anew.
    """

    guardrail: str
    of: str
    version: str
    scored: int
    judge_share: float | None
    labelled: int
    human_share: float | None
    coverage: float | None
    combined: str
    share: float | None
    low: float | None
    high: float | None
    weight: float | None
    agreement: float | None
    kappa: float | None
    delay_above: float | None
    delay_up_to: float | None
    other: int
    note: str


def quality(record: RecordedRollout) -> Iterator[QualityRow]:
    """Yield each guardrail of people's labels: stable, the canary, and their difference."""
    for guardrail in record.state.plan.spec.guardrails:
        labels = guardrail.metric.human
        if labels is not None:
            read = {version: _read(record, guardrail.name, labels, version) for version in VERSIONS}
            rows = [own.row for own in read.values()]
            yield from rows
            yield _compare(rows[0], rows[1], read["stable"].powered, read["canary"].powered)


@dataclass(frozen=True)
class _VersionRead:
    row: QualityRow
    powered: PoweredShare | None


def _read(record: RecordedRollout, name: str, labels: HumanLabels, version: str) -> _VersionRead:
    looks = list_times(record, labels.of)  # of others the scores do not count
    judged, people = _add_up(record, labels.of, looks), _add_up(record, name, looks)
    scored, scored_bad, _, _ = _of(judged, version)
    labelled, human_bad, other, cells = _of(people, version)
    labelled -= other
    table = None
    if labels.judge:
        both, judge_alone = [*cells, 0, 0][:2]
        rest = labelled - human_bad - judge_alone
        table = JointTable(both, judge_alone, max(human_bad - both, 0), max(rest, 0))
    powered, note = _combine(table, scored, scored_bad)
    low, high = powered.bound(_LEVEL) if powered else (None, None)
    above, up_to = _find_delay(record, labels.delay, version)
    row = QualityRow(
        guardrail=name,
        of=labels.of,
        version=version,
        scored=scored,
        judge_share=scored_bad / scored if scored else None,
        labelled=labelled,
        human_share=human_bad / labelled if labelled else None,
        coverage=labelled / scored if scored else None,
        combined="prediction-powered" if powered else NOT_COMBINABLE,
        share=powered.share if powered else None,
        low=low,
        high=high,
        weight=powered.weight if powered else None,
        agreement=table.agreement if table else None,
        kappa=table.kappa if table else None,
        delay_above=above,
        delay_up_to=up_to,
        other=other,
        note=note if labelled else "no label of a person was counted",
    )
    return _VersionRead(row, powered)


def _combine(
    table: JointTable | None, scored: int, scored_bad: int
) -> tuple[PoweredShare | None, str]:
    """Return the share by both, and why there is none.

    The judge scores labelled answers too: what it said of these is taken out of its other scores.
    """
    if table is None:
        return None, (
            "two series that each count alone do not show what judge and people said of the same "
            "answers"
        )
    others = scored - table.labelled
    others_bad = scored_bad - table.both_bad - table.judge_bad
    if others < 0 or not 0 <= others_bad <= others:
        return None, "more answers are labelled than the judge scored: they are not its own"
    powered = estimate_share(table, others, others_bad)
    return powered, "" if powered else "fewer than two labels"


def _compare(
    stable: QualityRow, canary: QualityRow, old: PoweredShare | None, new: PoweredShare | None
) -> QualityRow:
    """Return the row of the difference; the versions' answers are independent of each other."""
    low = high = share = None
    if old and new:
        share = new.share - old.share
        half = NormalDist().inv_cdf(1 - _LEVEL / 2) * math.sqrt(new.variance + old.variance)
        low, high = max(share - half, -1.0), min(share + half, 1.0)
    is_combined = share is not None
    lacking = next((row for row in (stable, canary) if row.combined == NOT_COMBINABLE), None)
    return replace(
        canary,
        version=DIFFERENCE,
        scored=canary.scored + stable.scored,
        labelled=canary.labelled + stable.labelled,
        judge_share=_subtract(canary.judge_share, stable.judge_share),
        human_share=_subtract(canary.human_share, stable.human_share),
        coverage=_subtract(canary.coverage, stable.coverage),
        combined=canary.combined if is_combined else NOT_COMBINABLE,
        share=share,
        low=low,
        high=high,
        weight=None,
        agreement=None,
        kappa=None,
        delay_above=None,
        delay_up_to=None,
        other=canary.other + stable.other,
        note="" if lacking is None else f"{lacking.version}: {lacking.note}",
    )


def _subtract(own: float | None, other: float | None) -> float | None:
    return None if own is None or other is None else own - other


def _add_up(record: RecordedRollout, name: str, looks: Collection[float]) -> Counts:
    """Return a guardrail's counts over such looks after the warm-up, of the newest layout."""
    total = Counts()
    for units in record.units:
        if units.guardrail == name and units.use == "update" and units.at in looks:
            try:
                total += units.counts
            except EvidenceError:
                total = units.counts
    return total


def _of(counts: Counts, version: str) -> tuple[int, int, int, tuple[int, ...]]:
    """Return one version's units, bad ones, unlabelled ones, and those apart."""
    if version == "canary":
        units, bad = counts.canary_exposures, counts.canary_bad
        return units, bad, counts.canary_unlabelled, counts.canary_apart
    return counts.stable_exposures, counts.stable_bad, counts.stable_unlabelled, counts.stable_apart


def _find_delay(
    record: RecordedRollout, name: str, version: str
) -> tuple[float | None, float | None]:
    """Return the edges between which the median delay of a version's labels lies."""
    for row in quantiles(record, (0.5,)) if name else ():
        if row.guardrail == name and row.version == version:
            return row.above, row.up_to
    return None, None
