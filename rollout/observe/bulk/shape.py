"""Find how a guardrail's series lie in a large answer: once, until its label sets change."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import NamedTuple

import numpy as np

from analysis.counting.beyond import is_same
from analysis.counting.cursor import Arm, Key, Series
from rollout.observe.bulk.catalogue import BulkAnswer, SeriesLabels
from rollout.observe.bulk.layout import Positions, Shape
from rollout.observe.evidence import list_fixed
from rollout.observe.query import QueryPart
from rollout.observe.selectors.edges import find_kept
from rollout.observe.selectors.source import Source
from rollout.observe.targets.addresses import list_several_ports
from rollout.observe.targets.processes import is_sum
from rollout.observe.twins import list_suspects
from rollout.plan.fields.metric import DeclaredMetric

_ARMS: tuple[Arm, ...] = ("canary", "stable")
_Layout = tuple[float, ...] | None


def find_shape(
    source: Source, query_part: QueryPart, answer: BulkAnswer, arms: Sequence[Positions]
) -> Shape:
    """Return the shape of a guardrail's series, the one of the last look if it fits."""
    shapes, name = answer.catalogue.shapes, (query_part.rollout, query_part.guardrail)
    shape = shapes.get(name)
    if shape is None or not all(shape.covers(answer.ids[positions]) for positions in arms):
        shapes[name] = shape = _build(source, query_part, answer, arms)
    return shape


def _build(
    source: Source, query_part: QueryPart, answer: BulkAnswer, arms: Sequence[Positions]
) -> Shape:
    catalogue, metric = answer.catalogue, query_part.metric
    is_rate = metric.kind != "shape"
    rows: dict[Key, list[int]] = {}
    for arm, positions in zip(_ARMS, arms, strict=True):
        for own in catalogue.group_by_series(answer.ids[positions]):
            rows.setdefault((arm, catalogue.series[own[0]].key), []).extend(own)
    keys = sorted(rows)
    numbers = [rows[key] for key in keys]
    find = _LayoutFinder(metric)
    layouts = [find([catalogue.edges[number] for number in own]) for own in numbers]
    usable = [own for own, _ in layouts if own is not None and bool(own) is not is_rate]
    edges = Counter(usable).most_common(1)[0][0] if usable else ()
    first = [catalogue.series[own[0]] for own in numbers]
    suspects = _list_suspects(source, query_part, keys, first)
    targets = {series: i for i, series in enumerate(sorted({own.process for own in first}))}
    outcomes = _list_outcomes(metric, first)
    row_of, column_of = _place(len(catalogue.series), numbers, [read for _, read in layouts], edges)
    return Shape(
        keys,
        edges,
        row_of,
        column_of,
        np.array(
            [
                own != edges
                or not usable
                or key in suspects
                or outcome.is_apart
                or is_sum(of.labels)
                for (own, _), key, outcome, of in zip(layouts, keys, outcomes, first, strict=True)
            ],
            dtype=np.bool_,
        ),
        np.array([outcome.is_bad for outcome in outcomes], np.bool_) if is_rate else None,
        np.array([targets[series.process] for series in first], dtype=np.intp),
        np.array([bool(series.process) for series in first], dtype=np.bool_),
        {key: of.process for key, of in zip(keys, first, strict=True) if of.process},
        _pair_arms(keys),
    )


def _place(
    size: int,
    numbers: Sequence[Sequence[int]],
    read: Sequence[Sequence[float | None]],
    edges: tuple[float, ...],
) -> tuple[Positions, Positions]:
    """Return row and column of each of `size` label sets, whose edges are `read`."""
    row_of, column_of = (np.full(size, -1, dtype=np.intp) for _ in range(2))
    column: dict[float | None, int] = {edge: i for i, edge in enumerate(edges)}
    beside = -1 if edges else 0
    flat = np.fromiter(chain.from_iterable(numbers), np.intp)
    row_of[flat] = np.repeat(np.arange(len(numbers)), [len(own) for own in numbers])
    get = column.get
    column_of[flat] = [get(edge, beside) for edge in chain.from_iterable(read)]
    return row_of, column_of


@dataclass
class _LayoutFinder:
    """Finds the layout of buckets' edges; thousands of series have the same."""

    metric: DeclaredMetric
    _known: dict[tuple[float | None, ...], tuple[_Layout, Sequence[float | None]]] = field(
        default_factory=dict
    )

    def __call__(self, edges: Sequence[float | None]) -> tuple[_Layout, Sequence[float | None]]:
        """Return a series' edges that matter, and each bucket's own; see `_find_layout`."""
        own = tuple(edges)
        if own not in self._known:
            is_rate = self.metric.kind != "shape"
            read = [None if is_rate else _read_edge(edge, self.metric) for edge in own]
            self._known[own] = _find_layout(read, self.metric), read
        return self._known[own]


def _read_edge(edge: float | None, metric: DeclaredMetric) -> float | None:
    """Return a bucket's edge, the metric's own as it is declared."""
    is_own = edge is not None and metric.edge is not None and is_same(edge, metric.edge)
    return metric.edge if is_own else edge


def _find_layout(read: Sequence[float | None], metric: DeclaredMetric) -> _Layout:
    """Return a series' edges that matter, none for a plain counter.

    None where its buckets cannot be told, or none ends at the metric's edge.
    """
    if list(read) == [None]:
        return ()
    edges = sorted(edge for edge in read if edge is not None)
    is_whole = len(set(edges)) == len(read) and math.inf in edges
    kept_edges = find_kept(edges, metric) if is_whole else None
    return None if kept_edges is None else tuple(kept_edges)


def _list_suspects(
    source: Source, query_part: QueryPart, keys: Sequence[Key], first: Sequence[SeriesLabels]
) -> set[Key]:
    series = [Series(key, arm, ()) for arm, key in keys]
    labels = {key: of.labels for key, of in zip(keys, first, strict=True)}
    twins = list_suspects(series, labels, list_fixed(source, query_part))
    return twins | list_several_ports(keys, labels)


class _Outcome(NamedTuple):
    is_bad: bool
    is_apart: bool


def _list_outcomes(metric: DeclaredMetric, first: Sequence[SeriesLabels]) -> list[_Outcome]:
    """Return whether the units of each series are bad; those with the same labels are alike."""
    names = ("__name__", *metric.labels)
    own = [tuple([of.labels.get(name) for name in names]) for of in first]
    alike = {values: of.labels for values, of in zip(own, first, strict=True)}
    outcomes = {
        values: _Outcome(
            metric.counts_bad(labels),
            metric.is_unlabelled(labels) or metric.find_apart(labels) is not None,
        )
        for values, labels in alike.items()
    }
    return [outcomes[values] for values in own]


def _pair_arms(keys: Sequence[Key]) -> tuple[Positions, Positions] | None:
    """Return the rows of both arms if each key is in both; keys are in order."""
    canary = [key for arm, key in keys if arm == "canary"]
    if not canary or canary != [key for arm, key in keys if arm == "stable"]:
        return None
    return np.arange(len(canary)), np.arange(len(canary), len(keys))
