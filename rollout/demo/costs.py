"""What each version cost its users: requests that failed or were slow, summaries that were poor."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

Histograms = Mapping[str, Mapping[float, int]]  # by version: how many were at most an edge


@dataclass(frozen=True)
class Edges:
    """What counts as slow (more ms) and as poor (this score or less); None: nothing does."""

    latency: float | None = None
    score: float | None = None


@dataclass(frozen=True)
class Cost:
    """One version's counts since the start; `scored` are the summaries that the judge drew.

    What is slow or poor is None where nothing says which edge is meant.
    """

    requests: int = 0
    failed: int = 0
    slow: int | None = None
    scored: int = 0
    poor: int | None = None


def costs(mesh: str, judge: str, edges: Edges) -> dict[str, Cost]:
    """By version, from what Envoy and the judge themselves tell Prometheus, as text."""
    served: Counter[str] = Counter()
    failed: Counter[str] = Counter()
    for labels, value in _samples(mesh, "envoy_cluster_upstream_rq"):
        version, code = labels.get("destination_version"), labels.get("envoy_response_code")
        if version and code:
            served[version] += value
            failed[version] += value * code.startswith("5")
    timed = _histograms(mesh, "envoy_cluster_upstream_rq_time_bucket", "destination_version")
    scored = _histograms(judge, "gen_ai_evaluation_score_bucket", "model_version")
    return {
        version: Cost(
            requests=served[version],
            failed=failed[version],
            slow=_more(timed, version, edges.latency),
            scored=_all(scored, version),
            poor=_most(scored, version, edges.score),
        )
        for version in sorted(served)
    }


def _samples(text: str, name: str) -> Iterator[tuple[dict[str, str], int]]:
    from prometheus_client.parser import text_string_to_metric_families

    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            if sample.name.removesuffix("_total") == name:  # which the parser adds to a counter's
                yield sample.labels, int(sample.value)


def _histograms(text: str, name: str, version: str) -> Histograms:
    found: dict[str, Counter[float]] = {}
    for labels, value in _samples(text, name):
        if version in labels:
            found.setdefault(labels[version], Counter())[float(labels["le"])] += value
    return found


def _all(histograms: Histograms, version: str) -> int:
    return max(histograms.get(version, {}).values(), default=0)


def _most(histograms: Histograms, version: str, edge: float | None) -> int | None:
    """How many were at most this bucket edge, which decisions round; None where there is none."""
    if edge is None:
        return None
    buckets = histograms.get(version) or {edge: 0}
    near = min(buckets, key=lambda each: abs(each - edge))
    return buckets[near] if math.isclose(near, edge, rel_tol=1e-4) else None


def _more(histograms: Histograms, version: str, edge: float | None) -> int | None:
    most = _most(histograms, version, edge)
    return None if most is None else _all(histograms, version) - most
