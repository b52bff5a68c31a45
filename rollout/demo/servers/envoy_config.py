"""Builds the demo Envoy's configuration.

Weights are in a watched file, labels are like Istio's, and latency buckets are exact.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

ROUTES, CLUSTERS = "rds.json", "cds.json"
_HTTP = "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
_MANAGER = (
    "type.googleapis.com/envoy.extensions.filters.network."
    "http_connection_manager.v3.HttpConnectionManager"
)
_ROUTER = "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"
_ROUTE_CONFIG = "type.googleapis.com/envoy.config.route.v3.RouteConfiguration"

_DECADE = (10, 12, 15, 16, 20, 24, 25, 30, 32, 40, 48, 50, 60, 64, 75, 80, 96)
LATENCIES = (
    *(4, 5, 8),
    *(latency * power for power in (1, 10, 100) for latency in _DECADE if latency * power <= 4000),
    *(5000, 8000, 10_000, 30_000),
)
"""Latencies in ms at which requests are counted: two significant digits each, Envoy's resolution.

Chains of factor 1.25 (16-20-25, 32-40-50, 48-60-75, 64-80-100, 96-120-150) give most of them a
partner that is 25 % faster, which the safety test of that tolerance needs.
"""

_BELOW = 4095 / 4096
"""A bucket's edge, as a fraction of its latency.

Envoy truncates to whole milliseconds and records bins [99, 100), [100, 110), [110, 120). A bucket
holds every bin that *starts* at or below its edge: an edge of 100 would count requests below 110
ms, an edge of 80 those below 81. With an edge slightly below its latency, a bucket holds exactly
the requests below that latency. The fraction's denominator is a power of two, so edges print
exactly and stay a factor 1.25 apart.
"""

LATENCY_EDGES = tuple(latency * _BELOW for latency in LATENCIES)


def version_of(cluster: str, service: str) -> str:
    """Return `v1` for cluster `<service>-v1`, else the text after the name's last hyphen."""
    own = cluster.removeprefix(f"{service}-")
    return own if own != cluster else cluster.rpartition("-")[2]


def bootstrap(
    folder: Path,
    listen: int,
    admin: int,
    clusters: Mapping[str, int],
    service: str,
    *,
    watched: bool = False,
) -> dict[str, Any]:
    """Build Envoy's bootstrap: one listener on `listen`, routes from `folder`/rds.json.

    `clusters` maps a cluster's name to its backend's port on the loopback interface; `watched`
    takes the clusters from `folder`/cds.json.
    """
    versions = [version_of(name, service) for name in clusters]
    dynamic = (
        {"dynamic_resources": {"cds_config": _build_source(folder, CLUSTERS)}} if watched else {}
    )
    static = (
        [] if watched else [_build_cluster(name, port, service) for name, port in clusters.items()]
    )
    return {
        **dynamic,
        "node": {"id": service, "cluster": service},
        "admin": {"address": _build_address(admin)},
        # Histograms are merged at a flush; a flush on demand would be visible one scrape later.
        "stats_flush_interval": "0.2s",
        "stats_config": _build_stats(service, versions),
        "static_resources": {
            "listeners": [_build_listener(folder, listen, service)],
            "clusters": static,
        },
    }


def first_routes(service: str, stable: str) -> dict[str, Any]:
    """Build the first route file: all traffic to cluster `stable`.

    It has no retries, because they would hide errors.
    """
    clusters = {"clusters": [{"name": stable, "weight": 100}]}
    route = {"timeout": "30s", "weighted_clusters": clusters}
    host = {
        "name": service,
        "domains": ["*"],
        "routes": [{"match": {"prefix": "/"}, "route": route}],
    }
    config = {
        "@type": _ROUTE_CONFIG,
        "name": service,
        "validate_clusters": True,
        "virtual_hosts": [host],
    }
    return {"version_info": "initial", "resources": [config]}


def first_clusters(service: str, clusters: Mapping[str, int]) -> dict[str, Any]:
    """Build the first cluster file."""
    kind = "type.googleapis.com/envoy.config.cluster.v3.Cluster"
    resources = [
        {"@type": kind, **_build_cluster(name, port, service)} for name, port in clusters.items()
    ]
    return {"version_info": "initial", "resources": resources}


def _build_address(port: int) -> dict[str, Any]:
    return {"socket_address": {"address": "127.0.0.1", "port_value": port}}


def _build_stats(service: str, versions: list[str]) -> dict[str, Any]:
    # The regex lists the versions: a version such as v1.2 has dots, as Envoy's statistics have.
    # The longest comes first, so that v1 does not match a part of v1.2.
    alternatives = "|".join(
        re.escape(version) for version in sorted(versions, key=len, reverse=True)
    )
    name = re.escape(service)
    return {
        "stats_tags": [
            {
                "tag_name": "destination_service",
                "regex": rf"^cluster\.(({name});(?:{alternatives})\.)",
            },
            {"tag_name": "destination_version", "regex": rf"^cluster\.({name};({alternatives})\.)"},
        ],
        "histogram_bucket_settings": [
            {"match": {"suffix": "upstream_rq_time"}, "buckets": list(LATENCY_EDGES)}
        ],
    }


def _build_listener(folder: Path, port: int, service: str) -> dict[str, Any]:
    manager = {
        "@type": _MANAGER,
        "stat_prefix": "in",
        "rds": {"route_config_name": service, "config_source": _build_source(folder, ROUTES)},
        "http_filters": [{"name": "envoy.filters.http.router", "typed_config": {"@type": _ROUTER}}],
    }
    filters = [{"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}]
    return {
        "name": service,
        "address": _build_address(port),
        "filter_chains": [{"filters": filters}],
    }


def _build_source(folder: Path, name: str) -> dict[str, Any]:
    watched = {"path": str(folder / name), "watched_directory": {"path": str(folder)}}
    return {"path_config_source": watched, "resource_api_version": "V3"}


def _build_cluster(name: str, port: int, service: str) -> dict[str, Any]:
    endpoint = {"endpoint": {"address": _build_address(port)}}
    return {
        "name": name,
        "alt_stat_name": f"{service};{version_of(name, service)}",
        "type": "STATIC",
        "connect_timeout": "1s",
        # Envoy drops idle connections before the backend does: a request sent into a closing
        # connection would be a 503 that is not the version's fault.
        "typed_extension_protocol_options": {
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                "@type": _HTTP,
                "common_http_protocol_options": {"idle_timeout": "3s"},
                "explicit_http_config": {"http_protocol_options": {}},
            }
        },
        "load_assignment": {"cluster_name": name, "endpoints": [{"lb_endpoints": [endpoint]}]},
    }
