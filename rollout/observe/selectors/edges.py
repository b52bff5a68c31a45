"""Keeps of a histogram what lies on the two sides of a declared edge.

Each series is narrowed by itself, before any layout is compared: pods and versions may differ in
all their other edges, and in their form, classic or native.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from analysis.counting.beyond import NUMBERS, choose_kept, describe_missing, is_same
from analysis.counting.counts import EvidenceError
from analysis.counting.cursor import Arm, Series
from analysis.counting.native_histogram import on_grid
from analysis.fast_replace import replace
from rollout.errors import ObserveError
from rollout.plan.fields.metric import DeclaredMetric

_ARMS: dict[Arm, str] = {"stable": "stable", "canary": "the canary"}


def at_edge(series: Series, metric: DeclaredMetric) -> Series:
    """Return a series with the buckets that the metric's edge asks for; without one, all of them.

    Raises ObserveError, naming the nearest edges, where no bucket ends at the edge.
    """
    if series.schema is not None and metric.worse == "low" and metric.edge is None:
        return _leave_out_no_numbers(series)
    if metric.edge is None or not series.edges:
        return series
    if series.schema is not None:
        return _narrow_native(series, series.schema, metric, metric.edge)
    kept_edges = find_kept(series.edges, metric)
    if kept_edges is None:
        raise ObserveError(_describe(series, series.edges, metric, metric.edge))
    indices = kept_edges.values()
    samples = tuple((at, tuple(row[i] for i in indices)) for at, row in series.samples)
    return replace(series, samples=samples, edges=tuple(kept_edges))


def find_kept(edges: Sequence[float], metric: DeclaredMetric) -> dict[float, int] | None:
    """Return the edges that a metric needs with their indices; None where its own is missing."""
    if metric.edge is None:
        return {edge: index for index, edge in enumerate(edges)}
    try:
        return choose_kept(edges, metric.edge, metric.worse)
    except EvidenceError:
        return None


def _leave_out_no_numbers(series: Series) -> Series:
    """Return a native histogram without what is in no bucket: NaN would be the best score."""
    samples = tuple((at, (*row[:-1], _count_numbers(row))) for at, row in series.samples)
    return replace(series, samples=samples)


def _count_numbers(row: Sequence[float]) -> float:
    """Return the units of all buckets of a native histogram; the last one has NaN as well."""
    return row[-2] if len(row) > 1 else 0.0


def _narrow_native(series: Series, schema: int, metric: DeclaredMetric, edge: float) -> Series:
    """Narrow a native histogram, whose edges are the powers of two that its schema has.

    Where low is bad, the end of all numbers is an edge too: beyond it is no good score.
    """
    exponents, rows = series.edges, [row for _, row in series.samples]
    if len(exponents) == 1:  # no bucket is occupied, so any schema fits
        below = [0.0 for _ in rows]
    else:
        wanted = _find_exponent(series, schema, metric, edge)
        if wanted < exponents[0] and any(row[0] for row in rows):
            low = 2.0 ** exponents[0]
            what = f"values up to {metric.spell(low)} are in its zero bucket"
            raise ObserveError(
                f"no bucket of {_ARMS[series.arm]} ends at {metric.spell(edge)}: {what}"
            )
        below = [units for (units,) in on_grid(exponents, rows, (wanted,))]
    is_low = metric.worse == "low"
    edges = (edge, NUMBERS, math.inf) if is_low else (edge, math.inf)
    narrow = [
        (units, _count_numbers(row), row[-1]) if is_low else (units, row[-1])
        for units, row in zip(below, rows, strict=True)
    ]
    samples = tuple((at, row) for (at, _), row in zip(series.samples, narrow, strict=True))
    return replace(series, samples=samples, edges=edges, schema=None)


def _find_exponent(series: Series, schema: int, metric: DeclaredMetric, edge: float) -> float:
    """Return the exponent of an edge. Raises ObserveError where the schema does not have it."""
    size = 2.0**schema
    if edge <= 0:
        raise ObserveError(f"no bucket of a native histogram ends at {metric.spell(edge)}")
    exact = math.log2(edge) * size
    if is_same(2.0 ** (round(exact) / size), edge):
        return round(exact) / size
    near = [2.0 ** (whole / size) for whole in (math.floor(exact), math.ceil(exact))]
    raise ObserveError(_describe(series, near, metric, edge))


def _describe(series: Series, edges: Sequence[float], metric: DeclaredMetric, edge: float) -> str:
    missing = describe_missing(edges, edge, metric.spell)
    return missing.replace("no bucket ends", f"no bucket of {_ARMS[series.arm]} ends", 1)
