"""Configuration of the demo Envoy: weights in a watched file, Istio-like labels, exact buckets."""

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
"""Where a bucket's edge lies, as a part of its latency.

Envoy records whole milliseconds, cut off, in bins [99, 100), [100, 110), [110, 120), and a bucket
holds every bin that *starts* at or below its edge: an edge of 100 would count what took less than
110 ms, an edge of 80 less than 81. A hair below, each bucket holds exactly the requests that took
less than its latency. The part is binary, so edges print exactly and stay a factor 1.25 apart.
"""

LATENCY_EDGES = tuple(latency * _BELOW for latency in LATENCIES)


def version_of(cluster: str, service: str) -> str:
    """`v1` of cluster `<service>-v1`; of any other name, what follows its last hyphen."""
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
    """Envoy's bootstrap: one listener on `listen`, routes from `folder`/rds.json.

    `clusters` maps a cluster's name to its backend's port on the loopback interface; `watched`
    takes the clusters from `folder`/cds.json.
    """
    versions = [version_of(name, service) for name in clusters]
    dynamic = {"dynamic_resources": {"cds_config": _source(folder, CLUSTERS)}} if watched else {}
    static = [] if watched else [_cluster(name, at, service) for name, at in clusters.items()]
    return {
        **dynamic,
        "node": {"id": service, "cluster": service},
        "admin": {"address": _address(admin)},
        # Histograms are merged at a flush; one on demand would show at the next scrape only.
        "stats_flush_interval": "0.2s",
        "stats_config": _stats(service, versions),
        "static_resources": {
            "listeners": [_listener(folder, listen, service)],
            "clusters": static,
        },
    }


def first_routes(service: str, stable: str) -> dict[str, Any]:
    """The first route file: everything to cluster `stable`, no retries, which would hide errors."""
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
    """The first cluster file."""
    kind = "type.googleapis.com/envoy.config.cluster.v3.Cluster"
    made = [{"@type": kind, **_cluster(name, port, service)} for name, port in clusters.items()]
    return {"version_info": "initial", "resources": made}


def _address(port: int) -> dict[str, Any]:
    return {"socket_address": {"address": "127.0.0.1", "port_value": port}}


def _stats(service: str, versions: list[str]) -> dict[str, Any]:
    # Names are spelt out, longest first: a version such as v1.2 has dots, as Envoy's statistics do.
    known = "|".join(re.escape(version) for version in sorted(versions, key=len, reverse=True))
    name = re.escape(service)
    return {
        "stats_tags": [
            {"tag_name": "destination_service", "regex": rf"^cluster\.(({name});(?:{known})\.)"},
            {"tag_name": "destination_version", "regex": rf"^cluster\.({name};({known})\.)"},
        ],
        "histogram_bucket_settings": [
            {"match": {"suffix": "upstream_rq_time"}, "buckets": list(LATENCY_EDGES)}
        ],
    }


def _listener(folder: Path, port: int, service: str) -> dict[str, Any]:
    manager = {
        "@type": _MANAGER,
        "stat_prefix": "in",
        "rds": {"route_config_name": service, "config_source": _source(folder, ROUTES)},
        "http_filters": [{"name": "envoy.filters.http.router", "typed_config": {"@type": _ROUTER}}],
    }
    filters = [{"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}]
    return {"name": service, "address": _address(port), "filter_chains": [{"filters": filters}]}


def _source(folder: Path, name: str) -> dict[str, Any]:
    watched = {"path": str(folder / name), "watched_directory": {"path": str(folder)}}
    return {"path_config_source": watched, "resource_api_version": "V3"}


def _cluster(name: str, port: int, service: str) -> dict[str, Any]:
    endpoint = {"endpoint": {"address": _address(port)}}
    return {
        "name": name,
        "alt_stat_name": f"{service};{version_of(name, service)}",
        "type": "STATIC",
        "connect_timeout": "1s",
        # Envoy drops idle connections before the backend does: a request sent into a closing
        # connection would be a 503 that no version has earned.
        "typed_extension_protocol_options": {
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                "@type": _HTTP,
                "common_http_protocol_options": {"idle_timeout": "3s"},
                "explicit_http_config": {"http_protocol_options": {}},
            }
        },
        "load_assignment": {"cluster_name": name, "endpoints": [{"lb_endpoints": [endpoint]}]},
    }
