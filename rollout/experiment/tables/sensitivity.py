"""How much a result rests on one hour, on the warm-up, or on how looks are added up."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from analysis.verdict.pairs_test import PairsTest
from analysis.verdict.verdict import Judgement
from rollout.experiment.tables.quality.newest_judge import leave_out_others
from rollout.experiment.tables.retest import find_fresh_tests, judge_all, list_compared, update_all
from rollout.experiment.tables.scorecard import find_last_view
from rollout.plan.fields.units import duration
from rollout.review.history import RecordedRollout
from rollout.review.units import LookUnits

_HOUR = 3600.0
_LEAST = 4  # pieces pieces of a rollout that is shorter than so many hours
_MOST = 24
AS_RECORDED, POOLED = "as recorded", "all looks added up"


@dataclass(frozen=True)
class SensitivityRow:
    """One guardrail's result under another choice; `changes` says whether the verdict does.

    `difference` is the canary's share of bad units minus stable's. Adding up looks of different
    weights is no comparison (Simpson's paradox): that row is there to show what it would say.
    """

    case: str
    guardrail: str
    verdict: str
    canary_units: int
    difference: float | None
    low: float | None
    high: float | None
    changes: bool
    note: str


def sensitivity(record: RecordedRollout) -> Iterator[SensitivityRow]:
    """Yield each guardrail's result as recorded, and under each other choice."""
    compared, every = list_compared(record), leave_out_others(record, record.units)
    tests = find_fresh_tests(record)
    recorded = judge_all(record, update_all(tests, every))
    blind = find_last_view(record).blind
    for row in _list_rows(AS_RECORDED, recorded, recorded):
        blind_note = f"blind at the last look; what was counted before leaves it {row.verdict}"
        yield replace(row, note=blind_note) if row.guardrail in blind else row
    for case, looks in [*_leave_out(compared, every), *_warm_up_longer(record, every)]:
        yield from _list_rows(case, judge_all(record, update_all(tests, looks)), recorded)
    for name in (own for own, test in tests.items() if not isinstance(test, PairsTest)):
        pooled = _pool(name, [units for units in compared if units.guardrail == name], recorded)
        if pooled is not None:
            yield pooled


def _list_rows(case: str, judgement: Judgement, recorded: Judgement) -> Iterator[SensitivityRow]:
    for name, verdict in judgement.verdicts.items():
        readout = judgement.readouts[name]
        changes = verdict.kind != recorded.verdicts[name].kind
        notes = [f"as recorded it is {recorded.verdicts[name].kind}"] if changes else []
        if verdict.kind == "undecided" and readout.estimate is None:
            notes.insert(0, "not enough: no look of these compared both versions")
        yield SensitivityRow(
            case=case,
            guardrail=name,
            verdict=verdict.kind,
            canary_units=readout.canary,
            difference=readout.estimate,
            low=readout.low,
            high=readout.high,
            changes=changes,
            note="; ".join(notes),
        )


def _leave_out(
    compared: Sequence[LookUnits], every: Sequence[LookUnits]
) -> Iterator[tuple[str, list[LookUnits]]]:
    """Yield the looks without one hour of comparison each; of a short rollout without a quarter."""
    begin, end = (compared[0].seconds, compared[-1].seconds) if compared else (0.0, 0.0)
    lasted = end - begin
    length = max(min(_HOUR, lasted / _LEAST), lasted / _MOST)
    pieces = round(lasted / length) if length else 0
    for index in range(pieces):
        low, high = begin + index * length, begin + (index + 1) * length

        def is_left(units: LookUnits, index: int = index) -> bool:
            own = min(int((units.seconds - begin) / length), pieces - 1)
            return own != index or not begin <= units.seconds <= end

        left = [units for units in every if is_left(units)]
        yield f"without {duration(round(low))} to {duration(round(high))}", left


def _warm_up_longer(
    record: RecordedRollout, every: Sequence[LookUnits]
) -> Iterator[tuple[str, list[LookUnits]]]:
    """Yield the looks as a warm-up of twice the length would have used them."""
    warmup, warm_at = record.state.plan.spec.warmup, record.state.warm_at
    if warmup and warm_at is not None:
        end = warm_at + warmup
        looks = [
            replace(own, use="watch") if own.use == "update" and own.at < end else own
            for own in every
        ]
        yield f"a warm-up of {duration(2 * warmup)}", looks


def _pool(name: str, looks: Sequence[LookUnits], recorded: Judgement) -> SensitivityRow | None:
    """Add up all looks of a rate and compare the sums; None where it is no rate."""
    rates = [units.counts for units in looks if not units.counts.edges]
    e_c, e_s = sum(c.canary_exposures for c in rates), sum(c.stable_exposures for c in rates)
    if not e_c or not e_s:
        return None
    pooled = sum(c.canary_bad for c in rates) / e_c - sum(c.stable_bad for c in rates) / e_s
    inside = recorded.readouts[name].estimate
    reverses = inside is not None and inside * pooled < 0
    weights = {round(units.share, 6) for units in looks}
    note = "the weight never moved, so both say the same" if len(weights) == 1 else ""
    if reverses:
        note = (
            f"added up the canary looks {'worse' if pooled > 0 else 'better'}, within looks it is "
            f"{'worse' if inside is not None and inside > 0 else 'better'}: the weight moved while "
            "the base rate did, so do not add up (Simpson's paradox)"
        )
    return SensitivityRow(POOLED, name, "", e_c, pooled, None, None, reverses, note)
