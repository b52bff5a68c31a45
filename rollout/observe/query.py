"""Builds one query per metric for the whole fleet: raw counters, never `rate` or `increase`.

Raw samples keep what `increase()` loses: whole numbers, the first burst of a new series, resets
between two looks, and the samples' own times, which reveal stale data.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby

from analysis.counting.cursor import Cursor
from rollout.plan.fields.templates import Template
from rollout.plan.model.guardrail import Guardrail
from rollout.plan.model.plan import Plan
from rollout.ports import Ask

LONGEST = 3600.0  # seconds that a look goes back at most
LARGEST = 250  # services in one query; more make answers large and save nothing
_SAMPLES = 40  # of one series in a full query; a longer window means fewer services
_FIRST = 5  # scrapes that a first look covers, so that a pod with a missed scrape is included


@dataclass(frozen=True, order=True)
class Source:
    """What all rollouts in one query share: server, series, label names and filters."""

    url: str
    series: str
    service: str
    version: str
    where: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class QueryPart:
    """One guardrail of one rollout in a query.

    `since` is the time of its newest known sample; `cursor` holds what was counted before.
    """

    rollout: str
    guardrail: str
    template: Template
    service: str
    stable: str
    canary: str
    since: float | None
    scrape: float
    cursor: Cursor = field(default_factory=Cursor)


@dataclass(frozen=True)
class Query:
    """A PromQL instant query for a range of raw samples, and the parts its answer serves."""

    source: Source
    text: str
    parts: tuple[QueryPart, ...]


def queries(asks: Iterable[Ask], now: float) -> list[Query]:
    """Return as few queries as serve all asks: one per metric and Prometheus, split when large.

    Rates come before histograms: they are cheap and show a crash, so they must not wait behind
    a slow histogram query.
    """
    wanted = [pair for ask in asks for pair in _build_query_parts(ask)]
    wanted.sort(key=lambda pair: _make_sort_key(pair[0], pair[1], now))
    return [
        Query(source, _build_range_selector(source, chunk, now), tuple(chunk))
        for source, pairs in groupby(wanted, key=lambda pair: pair[0])
        for chunk in _split_into_chunks([query_part for _, query_part in pairs], now)
    ]


def _build_query_parts(ask: Ask) -> Iterator[tuple[Source, QueryPart]]:
    spec = ask.plan.spec
    for guardrail in spec.guardrails:
        query_part = QueryPart(
            rollout=ask.rollout,
            guardrail=guardrail.name,
            template=guardrail.source,
            service=spec.service,
            stable=spec.stable.version,
            canary=spec.canary.version,
            since=ask.since.get(guardrail.name),
            scrape=spec.prometheus.scrape,
            cursor=ask.cursors.get(guardrail.name, Cursor()),
        )
        yield source_of(ask.plan, guardrail), query_part


def _make_sort_key(source: Source, query_part: QueryPart, now: float) -> tuple[bool, Source, int]:
    return query_part.template.kind != "rate", source, -_compute_window(query_part, now)


def source_of(plan: Plan, guardrail: Guardrail) -> Source:
    """Return where a guardrail's series are; the guardrail's labels override the template's."""
    template, labels = guardrail.source, guardrail.labels
    where = template.where | {matcher.label: matcher.value for matcher in labels.where or ()}
    if namespace := labels.namespace or template.namespace:
        where |= {namespace: plan.metadata.namespace}
    return Source(
        url=plan.spec.prometheus.url.rstrip("/"),
        series=template.series,
        service=labels.service or template.service,
        version=labels.version or template.version,
        where=tuple(sorted(where.items())),
    )


def _compute_window(query_part: QueryPart, now: float) -> int:
    """Return the seconds to read back from now.

    They cover all new samples and a known sample before them, by which a counter reset is
    detected. One more scrape is added, because a slow scrape's samples appear after those of a
    later, quicker scrape.
    """
    least = (_FIRST if query_part.since is None else 2) * query_part.scrape
    age = 0.0 if query_part.since is None else now - query_part.since
    return math.ceil(max(least, min(age, LONGEST)) + 2 * query_part.scrape) + 1


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


def _build_range_selector(source: Source, parts: Sequence[QueryPart], now: float) -> str:
    window = max(_compute_window(query_part, now) for query_part in parts)
    return f"{selector(source, parts)}[{window}s]"


def selector(source: Source, parts: Sequence[QueryPart]) -> str:
    """Return a selector for the series of both versions of all parts."""
    return metric(source.series, _list_matchers(source, parts))


def selector_of(name: str, source: Source, parts: Sequence[QueryPart]) -> str:
    """Return a selector for another metric with the labels of the parts' series."""
    return f"{name}{{{','.join(_list_matchers(source, parts))}}}"


def _list_matchers(source: Source, parts: Sequence[QueryPart]) -> list[str]:
    versions = {
        version for query_part in parts for version in (query_part.stable, query_part.canary)
    }
    return [
        f"{source.service}=~{match_any({query_part.service for query_part in parts})}",
        f"{source.version}=~{match_any(versions)}",
        *(f"{label}={quoted(value)}" for label, value in source.where),
    ]


def metric(series: str, matchers: Sequence[str]) -> str:
    """Return a selector; for a histogram it matches the classic and the native form.

    A native histogram has no `_bucket` series: it has the metric's plain name.
    """
    name = series.removesuffix("_bucket")
    if name == series:
        return f"{series}{{{','.join(matchers)}}}"
    either = f"__name__=~{quoted(f'{series}|{name}')}"
    return f"{{{','.join([either, *matchers])}}}"


def match_any(values: Iterable[str]) -> str:
    """Return a PromQL regular expression, as a literal, that matches any of the values."""
    return quoted("|".join(re.sub(r"[\\.+*?()|\[\]{}^$]", r"\\\g<0>", v) for v in sorted(values)))


def quoted(value: str) -> str:
    """Return a text as a PromQL string literal."""
    escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'
