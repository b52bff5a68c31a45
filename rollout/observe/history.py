"""Reads stable's past, by pod or in total: range queries, and counts per tick from answers."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from analysis.counting.counts import EvidenceError
from analysis.counting.cursor import Series
from analysis.counting.per_pod import PodCounts, TickGrid, count
from analysis.dispersion.estimate import LEAST_TICKS
from rollout.errors import ObserveError
from rollout.observe.matrix import Item, by_version, group_by_series, one_form, series_of
from rollout.observe.past_totals import count_gains, sum_gains
from rollout.observe.query import QueryPart, queries, selector
from rollout.observe.selectors.source import Source
from rollout.ports import Ask, PodHistory

T = TypeVar("T")

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

    def chunks(self) -> Iterator[Chunk]:
        """Yield the grid in pieces, oldest first."""
        for first in range(0, self.grid.ticks + 1, _CHUNK):
            last = min(first + _CHUNK - 1, self.grid.ticks)
            start, end = (self.grid.start + self.grid.step * i for i in (first, last))
            yield Chunk(start, end, self.grid.step)


def past_queries(ask: Ask, now: float) -> list[PastQuery]:
    """Return the queries for the past: by pod if the plan declares them, else rates' totals."""
    spec = ask.plan.spec
    history = spec.pods.history if spec.pods else _TOTALS
    ticks = math.floor(history / spec.interval)
    if spec.pods is None:
        ticks = max(LEAST_TICKS, min(ticks, _MOST_TICKS))
    lag = max(guardrail.lag for guardrail in spec.guardrails)
    end = math.floor((now - lag) / spec.interval) * spec.interval
    grid = TickGrid(end - ticks * spec.interval, spec.interval, ticks)
    label = spec.pods.label if spec.pods else None
    choose = selector if spec.pods else partial(sum_gains, step=spec.interval)
    is_read = {
        g.name: g.never is None and (spec.pods is not None or g.bad_margin is not None)
        for g in spec.guardrails
    }
    return [
        PastQuery(query.source, choose(query.source, parts), parts, grid, label)
        for query in queries([ask], now)
        if (parts := tuple(p for p in query.parts if is_read[p.guardrail]))
    ]


def pasts(query: PastQuery, results: Sequence[object]) -> PodHistory:
    """Count the past of each guardrail of a query from the answers to all its chunks."""
    pods: dict[str, PodCounts] = {}
    problems: dict[str, str] = {}
    for query_part in query.parts:
        try:
            pods[query_part.guardrail] = _count_part(query, query_part, results)
        except (ObserveError, EvidenceError) as error:
            problems[query_part.guardrail] = str(error)
    return PodHistory(pods, problems)


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
    (uniform,) = one_form([list(merged.values())])
    groups = group_by_series(uniform, query.source, query_part.metric)
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
