"""Counts what each version cost its users: failed and slow requests, poor summaries."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

# By version and bucket edge: units at or below the edge.
Histograms = Mapping[str, Mapping[float, int]]


@dataclass(frozen=True)
class Edges:
    """The limits of slow (more ms) and of poor (this score or less); None: nothing counts."""

    latency: float | None = None
    score: float | None = None


@dataclass(frozen=True)
class Cost:
    """One version's counts since the start; `scored` are the summaries that the judge sampled.

    `slow` and `poor` are None if their limit is unknown or is not a bucket edge.
    """

    requests: int = 0
    failed: int = 0
    slow: int | None = None
    scored: int = 0
    poor: int | None = None


def costs(mesh: str, judge: str, edges: Edges) -> dict[str, Cost]:
    """Count costs by version from the metrics pages of Envoy and the judge."""
    served: Counter[str] = Counter()
    failed: Counter[str] = Counter()
    for labels, value in _parse_samples(mesh, "envoy_cluster_upstream_rq"):
        version, code = labels.get("destination_version"), labels.get("envoy_response_code")
        if version and code:
            served[version] += value
            failed[version] += value * code.startswith("5")
    timed = _parse_histograms(mesh, "envoy_cluster_upstream_rq_time_bucket", "destination_version")
    scored = _parse_histograms(judge, "gen_ai_evaluation_score_bucket", "model_version")
    return {
        version: Cost(
            requests=served[version],
            failed=failed[version],
            slow=_count_above(timed, version, edges.latency),
            scored=_count_all(scored, version),
            poor=_count_at_most(scored, version, edges.score),
        )
        for version in sorted(served)
    }


def _parse_samples(text: str, name: str) -> Iterator[tuple[dict[str, str], int]]:
    from prometheus_client.parser import text_string_to_metric_families

    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            if sample.name.removesuffix("_total") == name:  # the parser adds it to a counter's name
                yield sample.labels, int(sample.value)


def _parse_histograms(text: str, name: str, version: str) -> Histograms:
    histograms: dict[str, Counter[float]] = {}
    for labels, value in _parse_samples(text, name):
        if version in labels:
            histograms.setdefault(labels[version], Counter())[float(labels["le"])] += value
    return histograms


def _count_all(histograms: Histograms, version: str) -> int:
    return max(histograms.get(version, {}).values(), default=0)


def _count_at_most(histograms: Histograms, version: str, edge: float | None) -> int | None:
    """Return the units at or below a bucket edge; None if there is no such bucket.

    The tolerance is for recorded decisions, which hold a rounded edge.
    """
    if edge is None:
        return None
    buckets = histograms.get(version) or {edge: 0}
    near = min(buckets, key=lambda bound: abs(bound - edge))
    return buckets[near] if math.isclose(near, edge, rel_tol=1e-4) else None


def _count_above(histograms: Histograms, version: str, edge: float | None) -> int | None:
    at_most = _count_at_most(histograms, version, edge)
    return None if at_most is None else _count_all(histograms, version) - at_most
