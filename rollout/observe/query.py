"""Builds one query per metric for the whole fleet: raw counters, never `rate` or `increase`.

Raw samples keep what `increase()` loses: whole numbers, the first burst of a new series, resets
between two looks, and the samples' own times, which reveal stale data.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby

from analysis.counting.cursor import Arm, Cursor, Series
from rollout.observe.selectors.promql import (
    format_matchers,
    format_selector,
    join_arms,
    match_any,
    spell_label,
)
from rollout.observe.selectors.source import CANARY, STABLE, Source, source_of
from rollout.plan.fields.metric import DeclaredMetric
from rollout.plan.model.guardrail import Guardrail
from rollout.ports import Ask

LONGEST = 3600.0  # seconds that a look goes back at most
LARGEST = 250  # services in one query; more make answers large and save nothing
_SAMPLES = 40  # of one series in a full query; a longer window means fewer services
_FIRST = 5  # scrapes that a first look covers, so that a pod with a missed scrape is included


@dataclass(frozen=True)
class QueryPart:
    """One guardrail of one rollout in a query; `service` is empty where no label names it.

    `since` is the time of its newest known sample; `cursor` holds what was counted before. Samples
    may come `lag` seconds late.
    `is_gone` tells a series that was counted before a restart and could not be read again, and
    `lost` the versions of which there may be more such series. `processes` are the scraped targets
    of those that were counted. With `is_counted` the observer counts, so that raw samples of all
    series are not needed.
    """

    rollout: str
    guardrail: str
    metric: DeclaredMetric
    service: str
    stable: str
    canary: str
    since: float | None
    scrape: float
    cursor: Cursor = field(default_factory=Cursor)
    lag: float = 0.0
    is_gone: Callable[[Series], bool] = lambda _series: False
    is_counted: bool = False
    processes: Mapping[tuple[Arm, str], str] = field(default_factory=dict)
    lost: frozenset[Arm] = frozenset()


@dataclass(frozen=True)
class Query:
    """A PromQL instant query for a range of raw samples, and the parts its answer serves."""

    source: Source
    text: str
    parts: tuple[QueryPart, ...]


def queries(asks: Iterable[Ask], now: float) -> list[Query]:
    """Return as few queries as serve all asks: one per metric and Prometheus, split when large."""
    return queries_of((pair for ask in asks for pair in parts_of(ask)), now)


def queries_of(parts: Iterable[tuple[Source, QueryPart]], now: float) -> list[Query]:
    """Return as few queries as serve all parts.

    Rates come before histograms: they are cheap and show a crash, so they must not wait behind
    a slow histogram query.
    """
    wanted = list(parts)
    wanted.sort(key=lambda pair: _make_sort_key(pair[0], pair[1], now))
    return [
        build_query(source, chunk, now)
        for source, pairs in groupby(wanted, key=lambda pair: pair[0])
        for chunk in _split_into_chunks([query_part for _, query_part in pairs], now)
    ]


def measured_parts_of(ask: Ask) -> Iterator[tuple[Source, QueryPart]]:
    """Yield each guardrail of a rollout with its source, then those of single segments."""
    yield from parts_of(ask)
    for segment in ask.plan.spec.segment_guardrails:
        yield _build_part(ask, segment.guardrail)


def parts_of(ask: Ask) -> Iterator[tuple[Source, QueryPart]]:
    """Yield each guardrail of a rollout with its source."""
    return (_build_part(ask, guardrail) for guardrail in ask.plan.spec.guardrails)


def _build_part(ask: Ask, guardrail: Guardrail) -> tuple[Source, QueryPart]:
    spec, source = ask.plan.spec, source_of(ask.plan, guardrail)
    versions = spec.stable.version, spec.canary.version
    stable, canary = (STABLE, CANARY) if source.arms else versions
    query_part = QueryPart(
        rollout=ask.rollout,
        guardrail=guardrail.name,
        metric=guardrail.metric,
        service=spec.service if source.service else "",
        stable=stable,
        canary=canary,
        since=ask.since.get(guardrail.name),
        scrape=spec.prometheus.scrape,
        cursor=begin_cursor(ask, guardrail.metric, ask.cursors.get(guardrail.name, Cursor())),
        lag=guardrail.lag,
    )
    return source, query_part


def begin_cursor(ask: Ask, metric: DeclaredMetric, cursor: Cursor) -> Cursor:
    """Return a cursor that counts from the rollout's begin on, where no baseline is needed."""
    return cursor if metric.needs_stable else cursor.begun(ask.began)


def _make_sort_key(source: Source, query_part: QueryPart, now: float) -> tuple[bool, Source, int]:
    return query_part.metric.kind != "rate", source, -_compute_window(query_part, now)


def _compute_window(query_part: QueryPart, now: float) -> int:
    """Return the seconds to read back from now.

    They cover all new samples and a known sample before them, by which a counter reset is
    detected. One more scrape is added, because a slow scrape's samples appear after those of a
    later, quicker scrape; and the lag, because series may be late by different times.
    """
    least = (_FIRST if query_part.since is None else 2) * query_part.scrape
    age = 0.0 if query_part.since is None else now - query_part.since
    late = query_part.lag + 2 * query_part.scrape
    return math.ceil(max(least, min(age, LONGEST)) + late) + 1


def _split_into_chunks(parts: Sequence[QueryPart], now: float) -> Iterator[Sequence[QueryPart]]:
    """Yield the parts in chunks of similar windows.

    A guardrail that was blind for long needs a long window, which then slows only its own chunk.
    """
    rest = parts
    while rest:
        samples = _compute_window(rest[0], now) / rest[0].scrape
        size = max(1, min(LARGEST, round(LARGEST * _SAMPLES / samples)))
        yield rest[:size]
        rest = rest[size:]


def build_query(source: Source, parts: Sequence[QueryPart], now: float) -> Query:
    """Return the query that reads what is new for some parts at a time of their server."""
    window = max(_compute_window(query_part, now) for query_part in parts)
    return Query(source, build_text(source, parts, window), tuple(parts))


def build_text(source: Source, parts: Sequence[QueryPart], window: float) -> str:
    """Return a range selector for the series of all parts; `window` is in seconds."""
    return f"{selector(source, parts)}[{math.ceil(window)}s]"


def selector(source: Source, parts: Sequence[QueryPart]) -> str:
    """Return a selector for the series of both versions of all parts."""
    return selector_of(source.names, source, parts)


def selector_of(names: Sequence[str], source: Source, parts: Sequence[QueryPart]) -> str:
    """Return a selector for other metrics with the labels of the parts' series."""
    matchers = []
    if source.service:
        services = {query_part.service for query_part in parts}
        matchers.append(f"{spell_label(source.service)}=~{match_any(services)}")
    if source.version:
        versions = {own for query_part in parts for own in (query_part.stable, query_part.canary)}
        matchers.append(f"{spell_label(source.version)}=~{match_any(versions)}")
    matchers += format_matchers([*source.where, *join_arms(source.arms)])
    return format_selector(names, matchers)
