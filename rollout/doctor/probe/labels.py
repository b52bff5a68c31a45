"""Which labels a metric's series have, for whoever named another."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

Rows = Sequence[Mapping[str, str]]

_ONE_CLUSTER = re.compile(r"(http|grpc)route/[^/]+/[^/]+/rule/\d+")
_GATEWAY = (
    "; behind Envoy Gateway all backends of one rule are one cluster: give each backend a filter "
    "of its own, or judge by what counts models (`envoy-ai/*`)"
)
_SAMPLE = 50
_MOST = 12  # names that are told
_SHOWN = 3  # values of a label
_NEVER = {"__name__", "le", "quantile"}
# Labels that mean the same in different exporters.
_ALIKE = (
    (
        *("status", "code", "status_code", "response_code", "http_status", "http_status_code"),
        *("http_response_status_code", "envoy_response_code", "grpc_response_status"),
        *("grpc_status", "grpc_code", "error_type", "classification", "outcome"),
    ),
    (
        *("version", "service_version", "app_version", "destination_version", "build", "image"),
        *("revision", "model_version", "model", "model_id", "model_name", "target_model_name"),
        *("gen_ai_request_model", "deployment", "rollouts_pod_template_hash", "pod"),
    ),
    (
        *("service", "service_name", "exported_service", "app", "destination_service"),
        *("destination_service_name", "destination_canonical_service", "job"),
    ),
    ("namespace", "exported_namespace", "destination_service_namespace", "k8s_namespace_name"),
)


def sample_query(selector: str) -> str:
    """Return a query for some of a selector's series, with all of their labels."""
    return f"topk({_SAMPLE}, {selector})"


def list_labels(rows: Rows, wanted: str) -> str:
    """Return which labels there are, those first that may be meant by the wanted one."""
    names = {name for labels in rows for name in labels} - _NEVER
    if not names:
        return ""
    alike = [name for group in _ALIKE if _plain(wanted) in group for name in group]
    likely = [name for name in alike if name in {_plain(own) for own in names}]
    first = [own for name in likely for own in sorted(names) if _plain(own) == name]
    ordered = [*first, *sorted(names - set(first))]
    more = ", ..." if len(ordered) > _MOST else ""
    return f"its labels are {', '.join(ordered[:_MOST])}{more}{describe_shared_cluster(rows)}"


def describe_shared_cluster(rows: Rows) -> str:
    """Return a note where one cluster of Envoy stands for several backends."""
    clusters = (labels.get("envoy_cluster_name", "") for labels in rows)
    return _GATEWAY if any(map(_ONE_CLUSTER.fullmatch, clusters)) else ""


def list_having(rows: Rows, value: str) -> list[str]:
    """Return the labels that have a value."""
    return sorted({name for labels in rows for name, own in labels.items() if own == value})


def list_differing(rows: Rows, others: frozenset[str]) -> str:
    """Return the labels that have several values, with some of these; `others` mean something else.

    What tells outcomes apart is left out too: it differs within a version.
    """
    outcomes = set(_ALIKE[0])
    names = sorted({name for labels in rows for name in labels} - _NEVER - others)
    descriptions = []
    for name in names:
        values = sorted({labels.get(name, "") for labels in rows})
        if len(values) > 1 and _plain(name) not in outcomes:
            more = ", ..." if len(values) > _SHOWN else ""
            spelled = ", ".join(f'"{value}"' for value in values[:_SHOWN])
            descriptions.append(f"{name} ({spelled}{more})")
    return ", ".join(descriptions[:_MOST])


def _plain(name: str) -> str:
    return name.replace(".", "_")
