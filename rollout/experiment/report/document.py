"""What a report says, as plain values: `surefoot report --json`, and what the page is made of."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from rollout.decide.record.facts import Started
from rollout.experiment.card import ExperimentCard, summarise
from rollout.experiment.experiment import Experiment
from rollout.experiment.frame import list_rows, to_columns
from rollout.experiment.tables import (
    evidence,
    goals,
    power,
    rates,
    scorecard,
    segments,
    sensitivity,
    share,
    timeline,
    uplift,
)
from rollout.experiment.tables.quality import pairs, people
from rollout.redact import redact_values
from rollout.review.history import RecordedRollout

Row = dict[str, Any]

UPLIFT_LEVEL = 0.05
"""Chance that any comparison without a margin concludes wrongly."""

_TABLES: Mapping[str, tuple[Callable[[RecordedRollout], Iterable[Any]], type]] = {
    "scorecard": (scorecard.scorecard, scorecard.ScorecardRow),
    "health": (share.health, share.HealthRow),
    "timeline": (timeline.timeline, timeline.EventRow),
    "quantiles": (rates.quantiles, rates.QuantileRow),
    "segments": (segments.segments, segments.SegmentRow),
    "goals": (goals.goals, goals.GoalRow),
    "pairs": (pairs.pairs, pairs.PairsRow),
    "quality": (people.quality, people.QualityRow),
    "uplift": (lambda record: uplift.uplift(record, UPLIFT_LEVEL), uplift.UpliftRow),
    "sensitivity": (sensitivity.sensitivity, sensitivity.SensitivityRow),
    "power": (power.power, power.PowerRow),
    "share": (share.share, share.ShareRow),
}
"""The tables that a report holds, by name."""


@dataclass(frozen=True)
class ReplaySummary:
    """How many looks and decisions were decided again; `differ` are entries that came out other."""

    looks: int
    decisions: int
    differ: tuple[int, ...]


@dataclass(frozen=True)
class ReportDocument:
    """One rollout's report. `tables` are as an `Experiment` has them; the names are stable.

    `digest` is the plan's, `hash` that of the newest of the rollout's entries, `build` the
    controller that began it.
    """

    rollout: str
    name: str
    card: ExperimentCard
    tables: Mapping[str, list[Row]]
    replay: ReplaySummary
    plan: Mapping[str, Any]
    digest: str
    first_entry: int
    last_entry: int
    hash: str
    build: str

    def as_json(self) -> dict[str, Any]:
        """Return the object of `surefoot report --json`, whose keys are stable."""
        document: dict[str, Any] = _to_plain(asdict(self))
        return document


def compose(experiment: Experiment) -> ReportDocument:
    """Return the report of one rollout."""
    record = experiment.record
    started = next(e.fact for e in record.entries if isinstance(e.fact, Started))
    return ReportDocument(
        rollout=record.rollout,
        name=record.state.plan.name,
        card=summarise(record, experiment.others, experiment.doubt),
        tables={name: _list_rows(record, name) for name in _TABLES},
        replay=_replay(record),
        plan=redact_values(started.plan),
        digest=record.state.plan.digest,
        first_entry=record.entries[0].seq,
        last_entry=record.entries[-1].seq,
        hash=record.entries[-1].hash,
        build=record.controller,
    )


def _list_rows(record: RecordedRollout, name: str) -> list[Row]:
    make, kind = _TABLES[name]
    return list_rows(to_columns(make(record), kind))


def _replay(record: RecordedRollout) -> ReplaySummary:
    rows = [*evidence.replay(record)]
    differ = tuple(row.entry or 0 for row in rows if row.differs)
    return ReplaySummary(len(rows), sum(row.entry is not None for row in rows), differ)


def _to_plain(value: Any) -> Any:
    """Return a value with times as ISO texts, ready for JSON."""
    if isinstance(value, datetime):
        return value.isoformat(timespec="milliseconds")
    if isinstance(value, Mapping):
        return {key: _to_plain(own) for key, own in value.items()}
    return [*map(_to_plain, value)] if isinstance(value, list | tuple) else value
