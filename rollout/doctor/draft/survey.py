"""Which services and versions the shipped templates find in a Prometheus, and where values lie."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

from rollout.errors import ObserveError
from rollout.observe.native import number
from rollout.observe.selectors.promql import format_matchers, format_selector, quoted
from rollout.plan.fields.metric import DeclaredMetric
from rollout.plan.model.prometheus import PrometheusServer
from rollout.plan.model.templates import METRICS

Vector = Sequence[tuple[Mapping[str, str], float]]
Query = Callable[[PrometheusServer, str], Vector]
"""A server and PromQL lead to labels and values; raises ObserveError."""

_MOST = 0.95  # share of an hour's units that are within the edge of a draft
_PAST = "1h"


@dataclass(frozen=True)
class FoundService:
    """A service that templates read: series by version, by the name of each template.

    `namespaces` counts series by the namespace that they name, where a template has such a label.
    """

    name: str
    templates: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    namespaces: Mapping[str, float] = field(default_factory=dict)

    @property
    def versions(self) -> list[str]:
        """The versions of all templates, that with the most series first."""
        series: Counter[str] = Counter()
        for by_version in self.templates.values():
            series.update(by_version)
        return _sort_by_count(series)

    @property
    def namespace(self) -> str:
        """The namespace with most series; empty where no template has such a label."""
        return next(iter(_sort_by_count(self.namespaces)), "")


def find_services(server: PrometheusServer, query: Query) -> dict[str, FoundService]:
    """Return every service that a shipped template finds, by name. Raises ObserveError."""
    ask = partial(query, server)
    ask("vector(1)")  # nobody answers: that is no empty server
    templates: dict[str, dict[str, Counter[str]]] = {}
    namespaces: dict[str, Counter[str]] = {}
    for template, metric in METRICS.items():
        if not metric.service or not metric.version or not metric.is_evidence:
            continue
        labels = ", ".join(filter(None, (metric.service, metric.version, metric.namespace)))
        for row, count in _ask_if_possible(ask, f"count by ({labels}) ({_select(metric)})"):
            service, version = row.get(metric.service, ""), row.get(metric.version, "")
            if not (service and version):
                continue
            by_template = templates.setdefault(service, {})
            by_template.setdefault(template, Counter())[version] += int(count)
            if namespace := row.get(metric.namespace, ""):
                namespaces.setdefault(service, Counter())[namespace] += int(count)
    return {
        name: FoundService(name, own, namespaces.get(name, {}))
        for name, own in sorted(templates.items())
    }


def find_edge(
    server: PrometheusServer, query: Query, template: str, service: FoundService
) -> float | None:
    """Return the bucket edge within which most values of the last hour lie; None without any.

    Lower scores are worse: then it is the edge that most values are above.
    """
    metric = METRICS[template]
    own = f"{metric.service}={quoted(service.name)}"
    rows = _ask_if_possible(
        partial(query, server), f"sum by (le) (increase({_select(metric, own)}[{_PAST}]))"
    )
    counts = sorted((float(row["le"]), count) for row, count in rows if _is_number(row.get("le")))
    total = counts[-1][1] if counts else 0.0
    if not total > 0:
        return None
    if metric.worse == "low":
        below = [edge for edge, count in counts if count <= (1 - _MOST) * total]
        return below[-1] if below else counts[0][0]
    return next(
        (edge for edge, count in counts if count >= _MOST * total and edge < math.inf), None
    )


def _sort_by_count(counts: Mapping[str, float]) -> list[str]:
    return sorted(counts, key=lambda name: (-counts[name], name))


def _select(metric: DeclaredMetric, *more: str) -> str:
    matchers = format_matchers(metric.total.where)
    return format_selector((metric.total.series,), [*matchers, *more])


def _ask_if_possible(ask: Callable[[str], Vector], text: str) -> Vector:
    try:
        return ask(text)
    except ObserveError:  # such as a name with dots in front of an older server
        return []


def _is_number(text: str | None) -> bool:
    return text is not None and not math.isnan(number(text))
