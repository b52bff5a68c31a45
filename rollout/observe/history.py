"""Reads stable's past, by pod or in total: range queries, and counts per tick from answers."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import TypeVar

from analysis.counting.counts import EvidenceError
from analysis.counting.cursor import Series
from analysis.counting.per_pod import PodCounts, TickGrid, count
from analysis.dispersion.estimate import LEAST_TICKS
from rollout.errors import ObserveError
from rollout.observe.matrix import Item, by_version, group_by_series, is_native, series_of
from rollout.observe.past_totals import count_gains, sum_gains
from rollout.observe.pods.survey import PodLabel
from rollout.observe.query import QueryPart, parts_of, queries_of, selector
from rollout.observe.selectors.source import Source
from rollout.plan.model.plan import Spec
from rollout.ports import Ask, PodHistory

T = TypeVar("T")

_FOUND = 43200.0  # seconds of the past of pods that are found, as of those that are declared
_TOTALS = 86400.0  # seconds of the past where pods are not known
_MOST_TICKS = 2880  # looks that suffice then, at short intervals
_CHUNK = 240  # steps in one answer, so that it stays small with many pods and buckets
# Scrapes at the start of the range in which a series that appears is not taken as new: as at a
# rollout's first look, its counter may hold units from before the range.
_SETTLED = 5


@dataclass(frozen=True)
class Chunk:
    """The times of one range query: unix seconds, both ends included."""

    start: float
    end: float
    step: float


@dataclass(frozen=True)
class PastQuery:
    """The query for one metric's past, asked in chunks; `text` is a range query's selector."""

    source: Source
    text: str
    parts: tuple[QueryPart, ...]
    grid: TickGrid
    label: str | None  # None asks for a version's totals
    is_found: bool = False  # the plan names no label of pods
    is_beside_pods: bool = False  # totals of the evidence, whose pods somebody else counts

    def chunks(self) -> Iterator[Chunk]:
        """Yield the grid in pieces, oldest first."""
        for first in range(0, self.grid.ticks + 1, _CHUNK):
            last = min(first + _CHUNK - 1, self.grid.ticks)
            start, end = (self.grid.start + self.grid.step * i for i in (first, last))
            yield Chunk(start, end, self.grid.step)


def past_queries(
    ask: Ask, now: float, pod_labels: Mapping[str, PodLabel] = MappingProxyType({})
) -> list[PastQuery]:
    """Return the queries for the past: by pod where these are declared or found, else totals.

    `pod_labels` are those that were found, by guardrail.
    """
    spec = ask.plan.spec
    guardrails = {g.name: g for g in spec.guardrails if g.has_past}
    rates = {name for name, guardrail in guardrails.items() if guardrail.bad_margin is not None}
    parts = [pair for pair in parts_of(ask) if pair[1].guardrail in guardrails]
    if spec.declared_pods is not None:
        declared, ticks = spec.declared_pods, math.floor(spec.declared_pods.history / spec.interval)
        return _ask_by_pod(spec, parts, declared.label, ticks, now)
    used = {name: own for name, own in pod_labels.items() if not own.is_awaited}
    alone = [pair for pair in parts if pair[1].guardrail in guardrails.keys() - used.keys()]
    return [
        *_ask_for_found(spec, used, now),
        *_ask_for_totals(spec, alone, now),
        *_ask_beside(spec, [pair for pair in parts if pair[1].guardrail in rates], used, now),
    ]


def _ask_for_found(spec: Spec, used: Mapping[str, PodLabel], now: float) -> Iterator[PastQuery]:
    """Yield the queries for pods that are found, by their label."""
    ticks = max(math.floor(_FOUND / spec.interval), LEAST_TICKS)
    for label in sorted({own.label for own in used.values()}):
        pairs = [(own.source, own.query_part) for own in used.values() if own.label == label]
        for query in _ask_by_pod(spec, pairs, label, ticks, now):
            yield replace(query, is_found=True)


def _ask_beside(
    spec: Spec,
    rates: Sequence[tuple[Source, QueryPart]],
    used: Mapping[str, PodLabel],
    now: float,
) -> Iterator[PastQuery]:
    """Yield the queries for totals of evidence whose pods are of another source's series."""
    pairs = [
        (source, query_part)
        for source, query_part in rates
        if query_part.guardrail in used and used[query_part.guardrail].source != source
    ]
    for query in _ask_for_totals(spec, pairs, now):
        yield replace(query, is_beside_pods=True)


def _ask_by_pod(
    spec: Spec, parts: Sequence[tuple[Source, QueryPart]], label: str, ticks: int, now: float
) -> list[PastQuery]:
    grid = _end_grid(spec, ticks, now)
    return [
        PastQuery(query.source, selector(query.source, query.parts), query.parts, grid, label)
        for query in queries_of(parts, now)
    ]


def _ask_for_totals(
    spec: Spec, parts: Sequence[tuple[Source, QueryPart]], now: float
) -> list[PastQuery]:
    ticks = max(LEAST_TICKS, min(math.floor(_TOTALS / spec.interval), _MOST_TICKS))
    grid = _end_grid(spec, ticks, now)
    return [
        PastQuery(q.source, sum_gains(q.source, q.parts, spec.interval), q.parts, grid, None)
        for q in queries_of(parts, now)
    ]


def _end_grid(spec: Spec, ticks: int, now: float) -> TickGrid:
    """Return so many ticks of the past, of which every guardrail's samples are there."""
    lag = max(guardrail.lag for guardrail in spec.guardrails)
    end = math.floor((now - lag) / spec.interval) * spec.interval
    return TickGrid(end - ticks * spec.interval, spec.interval, ticks)


def pasts(query: PastQuery, results: Sequence[object]) -> PodHistory:
    """Count the past of each guardrail of a query from the answers to all its chunks."""
    pods: dict[str, PodCounts] = {}
    problems: dict[str, str] = {}
    for query_part in query.parts:
        try:
            pods[query_part.guardrail] = _count_part(query, query_part, results)
        except (ObserveError, EvidenceError) as error:
            problems[query_part.guardrail] = str(error)
    if query.is_beside_pods:
        return PodHistory(problems=problems, totals=pods)
    labels = dict.fromkeys(pods, query.label) if query.is_found and query.label else {}
    return PodHistory(pods, problems, labels)


def _count_part(query: PastQuery, query_part: QueryPart, results: Sequence[object]) -> PodCounts:
    """Return stable's counts per tick and pod. Raises ObserveError, EvidenceError."""
    items: dict[tuple[str, str], list[Item]] = defaultdict(list)
    for result in results:
        for key, added in by_version(query.source, result).items():
            items[key] += added
    if query.label is None:
        own = items.get((query_part.service, query_part.stable))
        if not own:
            raise ObserveError(f"Prometheus has no history of {query_part.stable}")
        return count_gains(own, query_part.metric, query.grid)
    stable, canary = (
        _group_by_pod(items.get((query_part.service, version), ()), query.label)
        for version in (query_part.stable, query_part.canary)
    )
    if not stable:
        raise ObserveError(f"Prometheus has no history of {query_part.stable}")
    series = {
        pod: _merge_chunks(query, query_part, pod_items)
        for pod, pod_items in sorted(stable.items())
    }
    settled = math.ceil(_SETTLED * query_part.scrape / query.grid.step)
    return count(series, query.grid, settled, _count_living(canary, query.grid))


def _group_by_pod(items: Sequence[Item], label: str) -> dict[str, list[Item]]:
    groups: dict[str, list[Item]] = defaultdict(list)
    for item in items:
        if not item.metric.get(label):
            raise ObserveError(f"a series has no label {label}, which names the pod (pods.label)")
        groups[item.metric[label]].append(item)
    return groups


def _merge_chunks(query: PastQuery, query_part: QueryPart, items: Sequence[Item]) -> list[Series]:
    """Return one pod's series, each merged from the chunks it came in."""
    merged: dict[tuple[tuple[str, str], ...], Item] = {}
    for item in items:
        key = tuple(sorted(item.metric.items()))
        earlier = merged.get(key, Item(item.metric))
        merged[key] = Item(
            item.metric,
            _concatenate(earlier.values, item.values),
            _concatenate(earlier.histograms, item.histograms),
        )
    classic = [item for item in merged.values() if not is_native(item)]
    groups = group_by_series(classic or merged.values(), query.source, query_part.metric)
    return series_of(groups, query_part.metric, "stable")


def _concatenate(first: list[T] | None, second: list[T] | None) -> list[T] | None:
    """Return both lists as one; None if both are None."""
    return second if first is None else [*first, *(second or ())]


def _count_living(pods: Mapping[str, Sequence[Item]], grid: TickGrid) -> int:
    """Return how many pods have a sample at the grid's last time."""
    last = grid.ends[-1] - grid.step / 2
    return sum(any(_find_newest_sample(item) > last for item in items) for items in pods.values())


def _find_newest_sample(item: Item) -> float:
    """Return the unix time of an item's last sample, -inf if it has none."""
    return max(
        (samples[-1][0] for samples in (item.values, item.histograms) if samples), default=-math.inf
    )
