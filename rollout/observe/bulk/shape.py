"""Find how a guardrail's series lie in a large answer: once, until its label sets change."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np

from analysis.counting.beyond import is_same
from analysis.counting.cursor import Arm, Key, Series
from rollout.observe.bulk.catalogue import BulkAnswer, LabelSet
from rollout.observe.bulk.layout import Flags, Positions, Shape
from rollout.observe.evidence import list_fixed
from rollout.observe.query import QueryPart
from rollout.observe.selectors.edges import find_kept
from rollout.observe.selectors.source import Source
from rollout.observe.twins import list_suspects
from rollout.plan.fields.metric import DeclaredMetric

_ARMS: tuple[Arm, ...] = ("canary", "stable")


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
    sets, metric = answer.catalogue.sets, query_part.metric
    is_rate = metric.kind != "shape"
    rows: dict[Key, dict[int, float | None]] = {}
    for arm, positions in zip(_ARMS, arms, strict=True):
        for number in answer.ids[positions].tolist():
            label_set = sets[number]
            edge = None if is_rate else _read_edge(label_set, metric)
            rows.setdefault((arm, label_set.key), {})[number] = edge
    keys = sorted(rows)
    layouts = [_find_layout(rows[key], metric) for key in keys]
    usable = [edges for edges in layouts if edges is not None and bool(edges) is not is_rate]
    edges = Counter(usable).most_common(1)[0][0] if usable else ()
    first = [sets[next(iter(rows[key]))] for key in keys]
    column: dict[float | None, int] = {edge: i for i, edge in enumerate(edges)}
    row_of, column_of = (np.full(len(sets), -1, dtype=np.intp) for _ in range(2))
    for row, key in enumerate(keys):
        for number, edge in rows[key].items():
            row_of[number], column_of[number] = row, column.get(edge, -1 if edges else 0)
    suspects = _list_suspects(source, query_part, keys, first)
    targets = {label_set.process for label_set in first}
    numbers = {process: i for i, process in enumerate(sorted(targets))}
    return Shape(
        keys,
        edges,
        row_of,
        column_of,
        np.array(
            [
                own != edges or not usable or key in suspects or metric.is_unlabelled(of.labels)
                for own, key, of in zip(layouts, keys, first, strict=True)
            ],
            dtype=np.bool_,
        ),
        _list_bad(query_part, first) if is_rate else None,
        np.array([numbers[label_set.process] for label_set in first], dtype=np.intp),
        np.array([bool(label_set.process) for label_set in first], dtype=np.bool_),
        {key: s.process for key, s in zip(keys, first, strict=True) if s.process},
        _pair_arms(keys),
    )


def _read_edge(label_set: LabelSet, metric: DeclaredMetric) -> float | None:
    """Return a bucket's edge, the metric's own as it is declared."""
    edge = label_set.edge
    is_own = edge is not None and metric.edge is not None and is_same(edge, metric.edge)
    return metric.edge if is_own else edge


def _find_layout(
    numbers: Mapping[int, float | None], metric: DeclaredMetric
) -> tuple[float, ...] | None:
    """Return a series' edges that matter, none for a plain counter.

    None where its buckets cannot be told, or none ends at the metric's edge.
    """
    if list(numbers.values()) == [None]:
        return ()
    edges = sorted(edge for edge in numbers.values() if edge is not None)
    is_whole = len(set(edges)) == len(numbers) and math.inf in edges
    kept_edges = find_kept(edges, metric) if is_whole else None
    return None if kept_edges is None else tuple(kept_edges)


def _list_suspects(
    source: Source, query_part: QueryPart, keys: Sequence[Key], first: Sequence[LabelSet]
) -> set[Key]:
    series = [Series(key, arm, ()) for arm, key in keys]
    labels = {key: label_set.labels for key, label_set in zip(keys, first, strict=True)}
    return list_suspects(series, labels, list_fixed(source, query_part))


def _list_bad(query_part: QueryPart, first: Sequence[LabelSet]) -> Flags:
    return np.array([query_part.metric.counts_bad(s.labels) for s in first], dtype=np.bool_)


def _pair_arms(keys: Sequence[Key]) -> tuple[Positions, Positions] | None:
    """Return the rows of both arms if each key is in both; keys are in order."""
    canary = [key for arm, key in keys if arm == "canary"]
    if not canary or canary != [key for arm, key in keys if arm == "stable"]:
        return None
    return np.arange(len(canary)), np.arange(len(canary), len(keys))
