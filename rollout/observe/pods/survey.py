"""Finds the pods' label of each guardrail: which series the servers count, and what they carry.

Whose pods a series' labels name depends on who counts. A server's own series have its pods; those
of a proxy have the proxy's, which is beside the server or beside the client; a judge has its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

from rollout.observe.pods.label import Labels, find_label, is_shared
from rollout.observe.query import QueryPart, parts_of, selector
from rollout.observe.selectors.source import Source
from rollout.plan.fields.matchers import Matcher
from rollout.plan.fields.metric import DeclaredMetric
from rollout.plan.model.guardrail import Guardrail
from rollout.plan.model.plan import Plan
from rollout.plan.model.prometheus import PrometheusServer
from rollout.ports import Ask

Vector = Sequence[tuple[Mapping[str, str], float]]  # labels, value
Run = Callable[[PrometheusServer, str], Vector]

MOST_SERIES = 2_000
"""Series of one metric of which half a day is read; more are gigabytes."""

_CALLER, _SERVER = Matcher("reporter", "=", "source"), Matcher("reporter", "=", "destination")


@dataclass(frozen=True)
class PodLabel:
    """A guardrail's label of pods, and where the series are that carry it.

    It `is_awaited` while only the canary's series can show that it names servers.
    """

    label: str
    source: Source
    query_part: QueryPart
    is_awaited: bool = False


def survey(ask: Ask, run: Run) -> Mapping[str, PodLabel]:
    """Return the label of each guardrail that has one. `run` asks an instant query, or raises.

    Raises ObserveError where a server does not answer.
    """
    guardrails = {guardrail.name: guardrail for guardrail in ask.plan.spec.guardrails}
    pairs = [
        find_server_side(source, query_part)
        for source, query_part in parts_of(ask)
        if _may_name_servers(guardrails[query_part.guardrail], ask.plan)
    ]
    labels: dict[str, PodLabel] = {}
    for source, parts, rows in _read_labels(pairs, run):
        is_shape = parts[0].metric.kind == "shape"
        if sum(value if is_shape else 1 for _, value in rows) <= MOST_SERIES:
            labels |= dict(_choose(source, parts, rows))
    return {
        name: replace(own, is_awaited=own.is_awaited or _is_in_doubt(guardrails[name], ask))
        for name, own in labels.items()
    }


def find_shared(ask: Ask, run: Run) -> Mapping[str, str]:
    """Return the ask's labels, by guardrail, that have a value in both versions' series.

    Such a label names who calls both, or counts for both. Raises as `survey`.
    """
    sides = (find_server_side(source, query_part) for source, query_part in parts_of(ask))
    pairs = [pair for pair in sides if pair[1].guardrail in ask.labels]
    return {
        query_part.guardrail: ask.labels[query_part.guardrail]
        for source, parts, rows in _read_labels(pairs, run)
        for query_part, stable, canary in _split_arms(source, parts, rows)
        if is_shared(ask.labels[query_part.guardrail], stable, canary)
    }


def _read_labels(
    pairs: Sequence[tuple[Source, QueryPart]], run: Run
) -> Iterator[tuple[Source, Sequence[QueryPart], Vector]]:
    """Ask for the series of each source, of histograms without their buckets."""
    for source, group in groupby(sorted(pairs, key=lambda pair: pair[0]), key=lambda pair: pair[0]):
        parts = [query_part for _, query_part in group]
        text = selector(source, parts)
        is_shape = parts[0].metric.kind == "shape"
        yield (
            source,
            parts,
            run(source.server, f"count without (le) ({text})" if is_shape else text),
        )


def find_server_side(source: Source, query_part: QueryPart) -> tuple[Source, QueryPart]:
    """Return where the servers count what is evidence; the same where nothing else is known.

    In a mesh of Istio both ends of a request have a proxy, and each says at which it is.
    """
    if not _is_of_callers(query_part.metric):
        return source, query_part
    where = tuple(sorted({*source.where, _SERVER} - {_CALLER}))
    metric = query_part.metric.narrowed({_SERVER.label: _SERVER.text})
    return replace(source, where=where), replace(query_part, metric=metric)


def _is_of_callers(metric: DeclaredMetric) -> bool:
    return _CALLER in metric.where and all(name.startswith("istio_") for name in metric.names)


def _may_name_servers(guardrail: Guardrail, plan: Plan) -> bool:
    """Return whether the labels of a guardrail's series may be those of the servers' pods.

    A client that always calls one version looks like a server of it. So where clients keep their
    version only series count that are known to be the servers'.
    """
    if not guardrail.weighs_evidence or guardrail.metric.is_judged:
        return False
    traffic = plan.spec.traffic
    keeps = traffic is not None and (traffic.segment is not None or traffic.affinity is not None)
    return not keeps or _is_of_servers(guardrail)


def _is_of_servers(guardrail: Guardrail) -> bool:
    """Return whether a template says that the servers count; a plan's own word may be a default."""
    metric = guardrail.metric
    is_known = guardrail.template is not None and metric.reporter == "server"
    return is_known or _is_of_callers(metric)


def _is_in_doubt(guardrail: Guardrail, ask: Ask) -> bool:
    """Return whether a proxy counts, which may be the clients', and chance has not told yet."""
    return guardrail.metric.is_proxy and not (_is_of_servers(guardrail) or ask.by_chance)


def _choose(
    source: Source, parts: Sequence[QueryPart], rows: Vector
) -> Iterator[tuple[str, PodLabel]]:
    for query_part, stable, canary in _split_arms(source, parts, rows):
        fixed = {*source.declared, *query_part.metric.labels, "__name__", "le", "job"}
        label = find_label(stable, canary, fixed)
        if label is not None:
            yield query_part.guardrail, PodLabel(label, source, query_part, not canary)


def _split_arms(
    source: Source, parts: Sequence[QueryPart], rows: Vector
) -> Iterator[tuple[QueryPart, list[Labels], list[Labels]]]:
    """Yield the labels of stable's and of the canary's series, by guardrail."""
    arms: dict[tuple[str, str], list[Labels]] = {}
    if not all(isinstance(value, str) for labels, _ in rows for value in labels.values()):
        return
    for labels, _ in rows:
        arms.setdefault(source.find_version(labels), []).append(labels)
    for query_part in parts:
        stable, canary = (
            [own for own in arms.get((query_part.service, arm), ()) if _reads(query_part, own)]
            for arm in (query_part.stable, query_part.canary)
        )
        yield query_part, stable, canary


def _reads(query_part: QueryPart, labels: Labels) -> bool:
    metric = query_part.metric
    return metric.kind == "shape" or metric.reads(labels)
