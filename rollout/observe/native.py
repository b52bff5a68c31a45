"""Native histograms as Prometheus' HTTP API writes them, to one sparse series."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from analysis.counting.cursor import Series
from analysis.counting.native_histogram import FINEST
from rollout.errors import ObserveError

Bucket = tuple[int, str, str, str]  # which ends belong to it, lower end, upper end, count

_LEAST = -1074.0  # exponent of the smallest number there is: for negative values without a zero


@dataclass(frozen=True)
class NativeSample:
    """One sample; its buckets are those that are occupied, in the order of their ends."""

    count: str
    sum: str = ""
    buckets: list[Bucket] = field(default_factory=list)


@dataclass(frozen=True)
class _Row:
    """One sample's counts by the exponent of the upper end; `beneath` counts what is up to `low`.

    That is where zero and negative values are; the schema does not divide it.
    """

    total: float
    schema: int
    buckets: dict[float, float]
    beneath: float
    low: float


def native_series(blank: Series, points: Sequence[tuple[float, NativeSample]]) -> Series:
    """The series with cumulative counts at the boundaries around its occupied buckets.

    Samples of several schemas are told in the coarsest of them. Raises ObserveError for buckets
    that are not exponential.
    """
    rows = [(at, _row(sample)) for at, sample in sorted(points, key=lambda point: point[0])]
    schema = min((row.schema for _, row in rows), default=FINEST)
    rows = [(at, _coarser(row, schema)) for at, row in rows]
    low = max((row.low for _, row in rows), default=-math.inf)
    ends = {end for _, row in rows for end in row.buckets if end > low}
    known = {*ends, *(end - 2.0**-schema for end in ends), *([low] if low > -math.inf else [])}
    exponents = (*sorted(known), math.inf)
    samples = tuple((at, tuple(_cumulative(row, exponents))) for at, row in rows)
    return replace(blank, samples=samples, edges=exponents, schema=schema)


def _row(sample: NativeSample) -> _Row:
    schema, beneath, low = FINEST, 0.0, -math.inf
    buckets: dict[float, float] = defaultdict(float)
    for _, *texts in sample.buckets:
        start, end, count = map(number, texts)
        if start > 0:
            schema = min(schema, _schema(start, end))
            buckets[math.log2(end)] += count
        elif count:
            beneath += count
            low = max(low, math.log2(end) if end > 0 else _LEAST)
    return _Row(number(sample.count), schema, buckets, beneath, low)


def _schema(start: float, end: float) -> int:
    """The schema that a bucket belongs to."""
    wide = math.log2(end / start) if math.isfinite(end) else math.nan
    schema = round(-math.log2(wide)) if wide > 0 else FINEST + 1
    exact = math.log2(end) * 2.0**schema if schema <= FINEST else math.nan
    if not (math.isclose(wide, 2.0**-schema, rel_tol=1e-6) and abs(exact - round(exact)) < 1e-6):
        raise ObserveError("a native histogram has custom buckets: expose classic ones")
    return schema


def _coarser(row: _Row, schema: int) -> _Row:
    """The counts in the buckets of a schema that is not finer."""
    size = 2.0**schema
    buckets: dict[float, float] = defaultdict(float)
    for end, count in row.buckets.items():
        buckets[math.ceil(end * size - 1e-6) / size] += count
    low = math.ceil(row.low * size - 1e-6) / size if row.beneath else row.low
    return _Row(row.total, schema, buckets, row.beneath, low)


def _cumulative(row: _Row, exponents: Sequence[float]) -> Iterator[float]:
    first = exponents[0]
    total = row.beneath + sum(count for end, count in row.buckets.items() if end <= first)
    for exponent in exponents[:-1]:
        total += row.buckets.get(exponent, 0.0) if exponent > first else 0.0
        yield total
    yield row.total


def number(text: str) -> float:
    """A number as the API writes it; what is none becomes NaN."""
    try:
        return float(text)
    except ValueError:
        return math.nan
