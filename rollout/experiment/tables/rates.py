"""What each look counted of each version, and how values are distributed: the raw comparison."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import accumulate

from analysis.counting.beyond import count_beyond
from analysis.counting.counts import Counts, EvidenceError
from analysis.verdict.pairs_test import count_decided
from rollout.experiment.frame import to_time
from rollout.experiment.tables.evidence import describe_share
from rollout.experiment.tables.quality.newest_judge import leave_out_others
from rollout.experiment.tables.scorecard import find_last_view
from rollout.plan.model.guardrail import Guardrail
from rollout.review.history import RecordedRollout
from rollout.review.units import LookUnits

VERSIONS = ("stable", "canary")
QUANTILES = (0.5, 0.9, 0.95, 0.99)
_WIDE = 1.959963984540054  # the normal distribution's .975 quantile


@dataclass(frozen=True)
class RateRow:
    """One version's units in one look, and the share of bad ones.

    `low` and `high` are a 95 % interval of this look by itself (Wilson), for the eye: a decision
    rests on `intervals`. Of a ratio of sums `bad` is the sum, and `share` the sum for each unit.
    `is_compared` says that the look counts for the guardrail's test.
    """

    seconds: float
    at: datetime
    guardrail: str
    version: str
    what: str
    units: int
    bad: int
    share: float | None
    low: float | None
    high: float | None
    is_compared: bool


@dataclass(frozen=True)
class BucketRow:
    """One bucket of a version's values, over all looks that were compared.

    It holds values above `above`, up to `up_to`; None is without a bound. `share_up_to` is the
    share of all values up to its upper edge.
    """

    guardrail: str
    version: str
    above: float | None
    up_to: float | None
    units: int
    share: float
    share_up_to: float


@dataclass(frozen=True)
class QuantileRow:
    """Between which two edges a quantile of a version's values lies; buckets tell no more."""

    guardrail: str
    version: str
    quantile: float
    above: float | None
    up_to: float | None
    units: int


def rates(record: RecordedRollout) -> Iterator[RateRow]:
    """Yield each version's units by look; a histogram's bad ones lie beyond the edge that decides.

    That edge is the one of the last look, so that one table compares like with like.
    """
    readouts = find_last_view(record).judgement.readouts
    for guardrail in record.state.plan.spec.guardrails:
        readout = readouts[guardrail.name]
        what = describe_share(readout, guardrail.metric)
        for units in record.units:
            if units.guardrail == guardrail.name:
                yield from _build_rates(units, guardrail, readout.edge, what)


def _build_rates(
    units: LookUnits, guardrail: Guardrail, edge: float | None, what: str
) -> Iterator[RateRow]:
    counts = _find_bad(units.counts, guardrail, edge)
    if counts is None:
        return
    for version in VERSIONS:
        exposures = counts.canary if version == "canary" else counts.stable
        is_share = guardrail.metric.kind != "ratio"  # what a sum adds up to has no such interval
        low, high = find_wilson(exposures[1], exposures[0]) if is_share else (None, None)
        yield RateRow(
            seconds=units.seconds,
            at=to_time(units.at),
            guardrail=guardrail.name,
            version=version,
            what=what,
            units=exposures[0],
            bad=exposures[1],
            share=exposures[1] / exposures[0] if exposures[0] else None,
            low=low,
            high=high,
            is_compared=units.is_compared,
        )


def _find_bad(counts: Counts, guardrail: Guardrail, edge: float | None) -> Counts | None:
    """Return exposures and bad units; None where the look's buckets lack the edge."""
    if guardrail.metric.pairs is not None:
        decided = count_decided(counts)
        lost, won = decided.lost, decided.decided - decided.lost
        return Counts((decided.decided, lost), (decided.decided, won))
    if not counts.edges:
        return counts
    try:
        metric = guardrail.metric
        wanted = counts.edges[-2] if edge is None else edge
        return count_beyond(counts, wanted, metric.worse, metric.spell)
    except (EvidenceError, IndexError):
        return None


def find_wilson(bad: int, units: int) -> tuple[float | None, float | None]:
    """Return a 95 % interval of a share; (None, None) without units.

    Source: Wilson, Journal of the American Statistical Association 22 (1927), 209-212.
    """
    if not units:
        return None, None
    share, square = bad / units, _WIDE**2
    middle = (share + square / (2 * units)) / (1 + square / units)
    root = math.sqrt(share * (1 - share) / units + square / (4 * units**2))
    half = _WIDE * root / (1 + square / units)
    return max(middle - half, 0.0), min(middle + half, 1.0)


def distributions(record: RecordedRollout) -> Iterator[BucketRow]:
    """Yield each histogram's buckets by version, over all looks that were compared."""
    for name, counts in add_compared(record).items():
        for version in VERSIONS:
            buckets = counts.canary if version == "canary" else counts.stable
            total = sum(buckets)
            for index, (units, below) in enumerate(zip(buckets, accumulate(buckets), strict=True)):
                low, high = find_bounds(counts.edges, index)
                if total:
                    yield BucketRow(name, version, low, high, units, units / total, below / total)


def quantiles(
    record: RecordedRollout, wanted: Sequence[float] = QUANTILES
) -> Iterator[QuantileRow]:
    """Yield the bucket in which each quantile lies, by version."""
    for name, counts in add_compared(record).items():
        for version in VERSIONS:
            buckets = counts.canary if version == "canary" else counts.stable
            total = sum(buckets)
            for quantile in wanted if total else ():
                index = next(
                    index
                    for index, below in enumerate(accumulate(buckets))
                    if below >= quantile * total
                )
                low, high = find_bounds(counts.edges, index)
                yield QuantileRow(name, version, quantile, low, high, total)


def add_compared(record: RecordedRollout) -> dict[str, Counts]:
    """Return each histogram's counts over all compared looks.

    Of layouts that differ, and of versions of a judge, they are of the newest.
    """
    total: dict[str, Counts] = {}
    for units in leave_out_others(record, record.units):
        if not units.is_compared or not units.counts.edges:
            continue
        try:
            total[units.guardrail] = total.get(units.guardrail, Counts()) + units.counts
        except EvidenceError:
            total[units.guardrail] = units.counts
    return total


def find_bounds(edges: Sequence[float], index: int) -> tuple[float | None, float | None]:
    """Return between which edges a bucket lies; None is without a bound."""
    low = edges[index - 1] if index else None
    return low, edges[index] if math.isfinite(edges[index]) else None
