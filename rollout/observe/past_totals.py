"""A version's totals in the past: Prometheus adds up what its series gained from look to look.

A day of every raw series would be gigabytes where clients by the thousand report. What is added up
here are differences of raw samples, whole numbers, never `increase`, whose extrapolation would look
like errors in bursts. A series that is born or falls counts nothing in that look.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from analysis.counting.beyond import find_edge
from analysis.counting.counts import EvidenceError
from analysis.counting.per_pod import PodCounts, TickGrid
from rollout.errors import ObserveError
from rollout.observe.matrix import Item, read_upper_edge
from rollout.observe.native import number
from rollout.observe.query import QueryPart, selector_of
from rollout.observe.selectors.promql import spell_label
from rollout.observe.selectors.source import Source
from rollout.plan.fields.metric import DeclaredMetric

Gains = NDArray[np.int64]

_SERIES = "surefoot_series"  # the label that holds the name of a sum's series


def sum_gains(source: Source, parts: Sequence[QueryPart], step: float) -> str:
    """Return the query for what both versions' series gained in each step, by what tells bad."""
    telling = sorted({label for query_part in parts for label in query_part.metric.labels})
    telling += ["le"] if any(_has_buckets(query_part.metric) for query_part in parts) else []
    arms = [matcher.label for arm in source.arms for matcher in arm]
    own = [source.service, source.version, *arms, *telling]
    labels = ", ".join(map(spell_label, dict.fromkeys(filter(None, own))))
    sums = []
    for name in source.names:
        chosen = selector_of([name], source, parts)
        before = f"{chosen} offset {round(step * 1000)}ms"
        sums.append(f"sum by ({labels}) (({chosen} - {before}) >= 0)")
    if len(sums) == 1:
        return sums[0]
    # A difference has no name, and `or` would not look at one.
    named = zip(source.names, sums, strict=True)
    return " or ".join(
        f'label_replace({text}, "{_SERIES}", "{name}", "", "")' for name, text in named
    )


def _has_buckets(metric: DeclaredMetric) -> bool:
    return metric.edge is not None or not metric.has_bad_units


def _restore_name(labels: Mapping[str, str]) -> Mapping[str, str]:
    return {**labels, "__name__": labels[_SERIES]} if _SERIES in labels else labels


def count_gains(items: Iterable[Item], metric: DeclaredMetric, grid: TickGrid) -> PodCounts:
    """Add up a version's gains per tick, as of one pod without a name.

    Units whose outcome nobody can tell are not bad ones. Raises EvidenceError for gains that are no
    counts and for histograms without the metric's edge, ObserveError for those without buckets.
    """
    if metric.edge is not None:
        return _count_gains_at_edges(items, metric, metric.edge, grid)
    if _has_buckets(metric):
        return _count_gains_in_buckets(items, grid)
    counts = np.zeros((grid.ticks, 1, 2), dtype=np.int64)
    for item in items:
        labels = _restore_name(item.metric)
        gains = _place_gains(item, grid)
        for kind, is_kind in enumerate((metric.counts_units(labels), metric.counts_bad(labels))):
            if is_kind:
                counts[:, 0, kind] += gains
    return PodCounts(("",), grid.ends, counts)


def _count_gains_at_edges(
    items: Iterable[Item], metric: DeclaredMetric, edge: float, grid: TickGrid
) -> PodCounts:
    """Add up the gains up to the metric's edge, and all of them.

    A bucket that falls counts nothing in that look, so the gains up to an edge may be more than
    the whole; they are at most that.
    """
    gains = _add_up_by_edge(items, grid)
    edges = [*gains]
    at_most = np.minimum(gains[edges[find_edge(edges, edge, metric.spell)]], gains[math.inf])
    rows = np.stack([at_most, gains[math.inf] - at_most], axis=-1)
    return PodCounts(("",), grid.ends, rows[:, None], (edge, math.inf))


def _count_gains_in_buckets(items: Iterable[Item], grid: TickGrid) -> PodCounts:
    """Add up the gains in each bucket; up to an edge are at least as many as up to a lower one."""
    gains = _add_up_by_edge(items, grid)
    upto = np.maximum.accumulate(np.stack([*gains.values()], axis=-1), axis=-1)
    upto = np.minimum(upto, gains[math.inf][:, None])
    return PodCounts(("",), grid.ends, np.diff(upto, prepend=0, axis=-1)[:, None], tuple(gains))


def _add_up_by_edge(items: Iterable[Item], grid: TickGrid) -> dict[float, Gains]:
    """Add up cumulative gains, lowest edge first. Raises ObserveError without buckets."""
    gains: dict[float, Gains] = {}
    for item in items:
        upper = read_upper_edge(item.metric)
        gains[upper] = gains.get(upper, 0) + _place_gains(item, grid)
    if math.inf not in gains:
        raise ObserveError("the past of a native histogram has no buckets to add up")
    return dict(sorted(gains.items()))


def _place_gains(item: Item, grid: TickGrid) -> Gains:
    """Return what one sum gained in each tick. Raises EvidenceError."""
    values = np.array([number(value) for _, value in item.values or ()])
    if not (np.isfinite(values).all() and (np.abs(values - np.rint(values)) < 1e-6).all()):
        raise EvidenceError("a sample in the past is not a whole number: this is no counter")
    ticks = grid.places(at for at, _ in item.values or ()) - 1
    is_inside = (ticks >= 0) & (ticks < grid.ticks)
    gains = np.zeros(grid.ticks, dtype=np.int64)
    np.add.at(gains, ticks[is_inside], np.rint(values[is_inside]).astype(int))
    return gains
