"""Stable's past, pod by pod: which ranges to ask for, and counts per tick from their answers."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from analysis.counting.counts import EvidenceError
from analysis.counting.cursor import Series
from analysis.counting.per_pod import Grid, PodCounts, count
from rollout.errors import ObserveError
from rollout.observe.matrix import Item, by_version, one_form, series_of
from rollout.observe.query import Query, QueryPart, Source, queries, selector
from rollout.plan.model.plan import Pods
from rollout.ports import Ask, PodHistory

T = TypeVar("T")

_CHUNK = 240  # steps in one answer: it stays small with many pods and buckets
_SETTLED = 5  # scrapes in which series turn up that are not new, as at a rollout's first look


@dataclass(frozen=True)
class Chunk:
    """A range query's times: unix seconds, both ends included."""

    start: float
    end: float
    step: float


@dataclass(frozen=True)
class PastQuery:
    """One metric's past, in chunks: `text` is a selector for range queries."""

    source: Source
    text: str
    parts: tuple[QueryPart, ...]
    grid: Grid
    pods: Pods

    def chunks(self) -> Iterator[Chunk]:
        """The grid in pieces, oldest first."""
        for first in range(0, self.grid.ticks + 1, _CHUNK):
            last = min(first + _CHUNK - 1, self.grid.ticks)
            start, end = (self.grid.start + self.grid.step * i for i in (first, last))
            yield Chunk(start, end, self.grid.step)


def past_queries(ask: Ask, now: float) -> list[PastQuery]:
    """The queries for a plan that declares pods; none for another."""
    spec = ask.plan.spec
    if spec.pods is None:
        return []
    ticks = math.floor(spec.pods.history / spec.interval)
    end = math.floor(now / spec.interval) * spec.interval
    grid = Grid(end - ticks * spec.interval, spec.interval, ticks)
    return [_query(query, grid, spec.pods) for query in queries([ask], now)]


def _query(query: Query, grid: Grid, pods: Pods) -> PastQuery:
    return PastQuery(query.source, selector(query.source, query.parts), query.parts, grid, pods)


def pasts(query: PastQuery, results: Sequence[object]) -> PodHistory:
    """The past of each of a query's guardrails, from the answers to all of its chunks."""
    pods: dict[str, PodCounts] = {}
    problems: dict[str, str] = {}
    for part in query.parts:
        try:
            pods[part.guardrail] = _counted(query, part, results)
        except (ObserveError, EvidenceError) as error:
            problems[part.guardrail] = str(error)
    return PodHistory(pods, problems)


def _counted(query: PastQuery, part: QueryPart, results: Sequence[object]) -> PodCounts:
    """Counts per tick and pod of stable. Raises ObserveError, EvidenceError."""
    items: dict[tuple[str, str], list[Item]] = defaultdict(list)
    for result in results:
        for key, found in by_version(query.source, result).items():
            items[key] += found
    stable, canary = (
        _by_pod(items.get((part.service, version), ()), query.pods.label)
        for version in (part.stable, part.canary)
    )
    if not stable:
        raise ObserveError(f"nothing is known of the past of {part.stable}")
    series = {pod: _series(query, part, found) for pod, found in sorted(stable.items())}
    settled = math.ceil(_SETTLED * part.scrape / query.grid.step)
    return count(series, query.grid, settled, _living(canary, query.grid))


def _by_pod(items: Sequence[Item], label: str) -> dict[str, list[Item]]:
    found: dict[str, list[Item]] = defaultdict(list)
    for item in items:
        if not item.metric.get(label):
            raise ObserveError(f"a series has no label {label}, by which the plan tells pods apart")
        found[item.metric[label]].append(item)
    return found


def _series(query: PastQuery, part: QueryPart, items: Sequence[Item]) -> list[Series]:
    """One pod's series, each whole although it came in chunks."""
    merged: dict[tuple[tuple[str, str], ...], Item] = {}
    for item in items:
        key = tuple(sorted(item.metric.items()))
        known = merged.get(key, Item(item.metric))
        merged[key] = Item(
            item.metric,
            _joined(known.values, item.values),
            _joined(known.histograms, item.histograms),
        )
    (found,) = one_form([list(merged.values())])
    return series_of(found, query.source, part.template, "stable")


def _joined(one: list[T] | None, other: list[T] | None) -> list[T] | None:
    """Both in one list; None where neither is one."""
    return other if one is None else [*one, *(other or ())]


def _living(pods: Mapping[str, Sequence[Item]], grid: Grid) -> int:
    """How many pods have a sample at the grid's last time."""
    last = grid.ends[-1] - grid.step / 2
    return sum(any(_newest(item) > last for item in items) for items in pods.values())


def _newest(item: Item) -> float:
    """Unix time of an item's last sample."""
    return max((each[-1][0] for each in (item.values, item.histograms) if each), default=-math.inf)
