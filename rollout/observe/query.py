"""One query per metric for the whole fleet: raw counters of a window, never `rate` or `increase`.

Raw samples keep what `increase()` loses: whole numbers, the first burst of a new series, resets
between two looks, and the samples' own times, by which stale data shows.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from rollout.plan.fields.templates import Template
from rollout.plan.model.guardrail import Guardrail
from rollout.plan.model.plan import Plan
from rollout.ports import Ask

LONGEST = 3600.0  # seconds that a look goes back, at most
LARGEST = 250  # services in one query: answers stay small, and nothing is gained beyond
_SAMPLES = 40  # of one series in a full query; longer windows hold fewer services
_FIRST = 5  # scrapes of a first look, so that a pod with a missed scrape is in the baseline


@dataclass(frozen=True, order=True)
class Source:
    """What the rollouts in one query have in common."""

    url: str
    series: str
    service: str
    version: str
    where: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class QueryPart:
    """One guardrail of one rollout in a query; `since` is the time of its newest known sample."""

    rollout: str
    guardrail: str
    template: Template
    service: str
    stable: str
    canary: str
    since: float | None
    scrape: float


@dataclass(frozen=True)
class Query:
    """A PromQL instant query for a range of raw samples, and whom its answer serves."""

    source: Source
    text: str
    parts: tuple[QueryPart, ...]


def queries(asks: Iterable[Ask], now: float) -> list[Query]:
    """As few queries as serve all asks: one per metric and Prometheus, in chunks when large.

    Rates come before shapes: they are cheap and show a crash, so a slow server is asked them first.
    """
    wanted = [pair for ask in asks for pair in _parts(ask)]
    wanted.sort(key=lambda pair: _order(pair[0], pair[1], now))
    return [
        Query(source, _text(source, chunk, now), tuple(chunk))
        for source, pairs in groupby(wanted, key=lambda pair: pair[0])
        for chunk in _chunks([part for _, part in pairs], now)
    ]


def _parts(ask: Ask) -> Iterator[tuple[Source, QueryPart]]:
    spec = ask.plan.spec
    for guardrail in spec.guardrails:
        part = QueryPart(
            rollout=ask.rollout,
            guardrail=guardrail.name,
            template=guardrail.source,
            service=spec.service,
            stable=spec.stable.version,
            canary=spec.canary.version,
            since=ask.since.get(guardrail.name),
            scrape=spec.prometheus.scrape,
        )
        yield source_of(ask.plan, guardrail), part


def _order(source: Source, part: QueryPart, now: float) -> tuple[bool, Source, int]:
    return part.template.kind != "rate", source, -_window(part, now)


def source_of(plan: Plan, guardrail: Guardrail) -> Source:
    """Where a guardrail's series are."""
    template, labels = guardrail.source, guardrail.labels
    where = template.where | {each.label: each.value for each in labels.where or ()}
    if namespace := labels.namespace or template.namespace:
        where |= {namespace: plan.metadata.namespace}
    return Source(
        url=plan.spec.prometheus.url.rstrip("/"),
        series=template.series,
        service=labels.service or template.service,
        version=labels.version or template.version,
        where=tuple(sorted(where.items())),
    )


def _window(part: QueryPart, now: float) -> int:
    """Seconds back from now: all that is new, and a known sample before it to tell a reset by.

    One scrape more, because a slow scrape's samples appear after those of a later, quicker one.
    """
    least = (_FIRST if part.since is None else 2) * part.scrape
    age = 0.0 if part.since is None else now - part.since
    return math.ceil(max(least, min(age, LONGEST)) + 2 * part.scrape) + 1


def _chunks(parts: Sequence[QueryPart], now: float) -> Iterator[Sequence[QueryPart]]:
    """Parts of like windows together, so that one that was blind for long costs only its chunk."""
    rest = parts
    while rest:
        samples = _window(rest[0], now) / rest[0].scrape
        size = max(1, min(LARGEST, round(LARGEST * _SAMPLES / samples)))
        yield rest[:size]
        rest = rest[size:]


def _text(source: Source, parts: Sequence[QueryPart], now: float) -> str:
    window = max(_window(part, now) for part in parts)
    return f"{selector(source, parts)}[{window}s]"


def selector(source: Source, parts: Sequence[QueryPart]) -> str:
    """The series of both versions of all parts."""
    versions = {version for part in parts for version in (part.stable, part.canary)}
    matchers = [
        f"{source.service}=~{_any({part.service for part in parts})}",
        f"{source.version}=~{_any(versions)}",
        *(f"{label}={quoted(value)}" for label, value in source.where),
    ]
    return metric(source.series, matchers)


def metric(series: str, matchers: Sequence[str]) -> str:
    """A selector; of a histogram in either form, since native buckets have no `_bucket` series."""
    name = series.removesuffix("_bucket")
    if name == series:
        return f"{series}{{{','.join(matchers)}}}"
    either = f"__name__=~{quoted(f'{series}|{name}')}"
    return f"{{{','.join([either, *matchers])}}}"


def _any(values: Iterable[str]) -> str:
    return quoted("|".join(re.sub(r"[\\.+*?()|\[\]{}^$]", r"\\\g<0>", v) for v in sorted(values)))


def quoted(value: str) -> str:
    """A text as PromQL writes it."""
    escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'
