"""Converts native histograms from Prometheus' HTTP API to one sparse series.

How it works: each sample lists its occupied buckets. `_parse_sample` reads a sample and finds its
schema; `_coarsen` merges the buckets to the coarsest schema of all samples; `_accumulate` sums
them at one common set of boundaries. Boundaries are exponents: 2 to the exponent is the edge.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from analysis.counting.beyond import NUMBERS
from analysis.counting.cursor import Series
from analysis.counting.native_histogram import FINEST
from rollout.answers.float_text import read_float
from rollout.errors import ObserveError

Bucket = tuple[int, str, str, str]  # boundary rule (API code), lower edge, upper edge, count

_LEAST = -1074.0  # exponent of the smallest positive float: the edge of zero and of negatives


@dataclass(frozen=True)
class NativeSample:
    """One sample; it lists only occupied buckets, in the order of their edges."""

    count: str
    sum: str = ""
    buckets: list[Bucket] = field(default_factory=list)


@dataclass(frozen=True)
class _Row:
    """One sample's counts by the exponent of the bucket's upper edge.

    `beneath` counts values up to the exponent `low`: zero and negative values, which the schema
    does not divide further.
    """

    total: float
    schema: int
    buckets: dict[float, float]
    beneath: float
    low: float


def native_series(blank: Series, points: Sequence[tuple[float, NativeSample]]) -> Series:
    """Return the series with cumulative counts at the edges of its occupied buckets.

    Samples of several schemas are converted to the coarsest of them. Raises ObserveError for
    buckets that are not exponential.
    """
    rows = [
        (at, _parse_sample(sample)) for at, sample in sorted(points, key=lambda point: point[0])
    ]
    schema = min((row.schema for _, row in rows), default=FINEST)
    rows = [(at, _coarsen(row, schema)) for at, row in rows]
    low = max((row.low for _, row in rows), default=-math.inf)
    ends = {end for _, row in rows for end in row.buckets if end > low}
    boundaries = {*ends, *(end - 2.0**-schema for end in ends), *([low] if low > -math.inf else [])}
    exponents = (*sorted(boundaries), math.inf)
    samples = tuple((at, tuple(_accumulate(row, exponents))) for at, row in rows)
    return replace(blank, samples=samples, edges=exponents, schema=schema)


def _parse_sample(sample: NativeSample) -> _Row:
    schema, beneath, low = FINEST, 0.0, -math.inf
    buckets: dict[float, float] = defaultdict(float)
    for _, *texts in sample.buckets:
        start, end, count = map(number, texts)
        if start >= NUMBERS and math.isinf(end):
            continue  # infinite values, of which the total tells, as of NaN
        if not start < end or (start <= 0 and math.isinf(end)):
            raise ObserveError("a native histogram has a bucket without usable edges")
        if start > 0:
            schema = min(schema, _find_schema(start, end))
            buckets[math.log2(end)] += count
        elif count:
            beneath += count
            low = max(low, math.log2(end) if end > 0 else _LEAST)
    return _Row(number(sample.count), schema, buckets, beneath, low)


def _find_schema(start: float, end: float) -> int:
    """Return the schema that a bucket belongs to; raise ObserveError for a custom bucket."""
    # The ratio of the edges may be beyond every float; their logarithms are not.
    wide = math.log2(end) - math.log2(start) if math.isfinite(end) else math.nan
    schema = round(-math.log2(wide)) if wide > 0 else FINEST + 1
    exact = math.log2(end) * 2.0**schema if schema <= FINEST else math.nan
    if not (math.isclose(wide, 2.0**-schema, rel_tol=1e-6) and abs(exact - round(exact)) < 1e-6):
        raise ObserveError(
            "a native histogram has custom buckets: keep the classic ones, in Prometheus by "
            "`always_scrape_classic_histograms: true`"
        )
    return schema


def _coarsen(row: _Row, schema: int) -> _Row:
    """Return the counts in the buckets of a schema that is not finer."""
    size = 2.0**schema
    # 1e-6 absorbs the rounding of log2, so that an exact edge stays in its own bucket.
    buckets: dict[float, float] = defaultdict(float)
    for end, count in row.buckets.items():
        buckets[math.ceil(end * size - 1e-6) / size] += count
    low = math.ceil(row.low * size - 1e-6) / size if row.beneath else row.low
    return _Row(row.total, schema, buckets, row.beneath, low)


def _accumulate(row: _Row, exponents: Sequence[float]) -> Iterator[float]:
    first = exponents[0]
    total = row.beneath + sum(count for end, count in row.buckets.items() if end <= first)
    for exponent in exponents[:-1]:
        total += row.buckets.get(exponent, 0.0) if exponent > first else 0.0
        yield total
    yield row.total


def number(text: str) -> float:
    """Read a number as the API writes it; other text becomes NaN."""
    if text.isascii() and text.isdigit():  # nearly all are counts, and there are very many
        return float(text)
    try:
        return read_float(text)
    except ValueError:
        return math.nan
