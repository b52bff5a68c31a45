"""Metric templates by name.

A template says which series to read, which labels distinguish the arms, and what is bad.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True)
class Template:
    """A named way to read one metric.

    A `rate` counts exposures in `series` and bad units among them: every label in `bad` matches
    its regular expression, anchored. A `shape` reads the buckets of a histogram; `worse` says
    which end is bad, `relative` whether a tolerance is a share of the value or in its unit.
    """

    kind: Literal["rate", "shape"]
    series: str
    service: str
    version: str
    namespace: str = ""  # the label that holds it, if every series has one
    bad: dict[str, str] = field(default_factory=dict)
    where: dict[str, str] = field(default_factory=dict)
    worse: Literal["high", "low"] = "high"
    relative: bool = True
    unit: str = ""
    proxy: bool = False  # the proxy reports it, so it counts requests to a dead canary too


TEMPLATES: dict[str, Template] = {
    "envoy/errors": Template(
        kind="rate",
        series="envoy_cluster_upstream_rq",
        service="destination_service",
        version="destination_version",
        bad={"envoy_response_code": "5.."},
        unit="requests",
        proxy=True,
    ),
    "envoy/latency": Template(
        kind="shape",
        series="envoy_cluster_upstream_rq_time_bucket",
        service="destination_service",
        version="destination_version",
        unit="ms",
        proxy=True,
    ),
    "istio/errors": Template(
        kind="rate",
        series="istio_requests_total",
        service="destination_service_name",
        version="destination_version",
        namespace="destination_service_namespace",
        where={"reporter": "source"},
        bad={"response_code": "5.."},
        unit="requests",
        proxy=True,
    ),
    "istio/latency": Template(
        kind="shape",
        series="istio_request_duration_milliseconds_bucket",
        service="destination_service_name",
        version="destination_version",
        namespace="destination_service_namespace",
        where={"reporter": "source"},
        unit="ms",
        proxy=True,
    ),
    "linkerd/errors": Template(
        kind="rate",
        series="response_total",
        service="app",
        version="version",
        namespace="namespace",
        where={"direction": "inbound"},
        bad={"classification": "failure"},
        unit="requests",
    ),
    "linkerd/latency": Template(
        kind="shape",
        series="response_latency_ms_bucket",
        service="app",
        version="version",
        namespace="namespace",
        where={"direction": "inbound"},
        unit="ms",
    ),
    "quality/score": Template(
        kind="shape",
        series="gen_ai_evaluation_score_bucket",
        service="service",
        version="model_version",
        worse="low",
        relative=False,
        unit="score",
    ),
    "quality/verdict": Template(
        kind="rate",
        series="gen_ai_evaluation_verdicts_total",
        service="service",
        version="model_version",
        bad={"gen_ai_evaluation_score_label": "fail"},
        unit="summaries",
    ),
}
