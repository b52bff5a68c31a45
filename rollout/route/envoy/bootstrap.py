"""Build an Envoy's configuration: listeners, clusters, and routes in files that it watches.

Weights are in a watched file, labels are like Istio's, and latency buckets are exact. The demo and
a mesh document both start an Envoy from it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from rollout.route.manifest import Json

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

_TYPE = "type.googleapis.com/envoy"
_HTTP = f"{_TYPE}.extensions.upstreams.http.v3.HttpProtocolOptions"
_MANAGER = f"{_TYPE}.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
_ROUTER = f"{_TYPE}.extensions.filters.http.router.v3.Router"
_ROUTE_CONFIG = f"{_TYPE}.config.route.v3.RouteConfiguration"
_CLUSTER = f"{_TYPE}.config.cluster.v3.Cluster"


class SocketAddress(NamedTuple):
    """Where something answers; `weight` is its share among the endpoints of one cluster."""

    host: str
    port: int
    weight: int | None = None


class WatchedFile(NamedTuple):
    """A file that Envoy watches, in a folder of its own: a new one is moved into place."""

    folder: str
    name: str

    @property
    def source(self) -> Json:
        """Envoy's configuration source for it."""
        path = {"path": f"{self.folder}/{self.name}", "watched_directory": {"path": self.folder}}
        return {"path_config_source": path, "resource_api_version": "V3"}


def bootstrap(
    node: str,
    admin: SocketAddress,
    listeners: Iterable[Json],
    stats: Json,
    clusters: WatchedFile | Sequence[Json],
) -> Json:
    """Build Envoy's bootstrap. The clusters are static, or those of a watched file."""
    dynamic, static = {}, clusters
    if isinstance(clusters, WatchedFile):
        dynamic, static = {"dynamic_resources": {"cds_config": clusters.source}}, ()
    return {
        **dynamic,
        "node": {"id": node, "cluster": node},
        "admin": {"address": _build_address(admin)},
        # Histograms are merged at a flush; a flush on demand would be visible one scrape later.
        "stats_flush_interval": "0.2s",
        "stats_config": stats,
        "layered_runtime": {"layers": [_REGEXES]},
        "static_resources": {
            "listeners": [*listeners],
            "clusters": [*static],
        },
    }


# As Istio's proxies: by default Envoy refuses regular expressions of a hundred letters.
_REGEXES = {"name": "regexes", "static_layer": {"re2.max_program_size.error_level": 32_768}}


def build_listener(service: str, address: SocketAddress, routes: WatchedFile) -> Json:
    """Build a service's listener, whose routes are in a watched file."""
    manager = {
        "@type": _MANAGER,
        "stat_prefix": "in",
        "rds": {"route_config_name": service, "config_source": routes.source},
        "http_filters": [{"name": "envoy.filters.http.router", "typed_config": {"@type": _ROUTER}}],
    }
    filters = [{"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}]
    return {
        "name": service,
        "address": _build_address(address),
        "filter_chains": [{"filters": filters}],
    }


def build_cluster(name: str, counted_as: str, endpoints: Sequence[SocketAddress]) -> Json:
    """Build a cluster of these endpoints; its requests are counted as `service;version`."""
    is_literal = all(_IP.fullmatch(endpoint.host) for endpoint in endpoints)
    return {
        "name": name,
        "alt_stat_name": counted_as,
        "type": "STATIC" if is_literal else "STRICT_DNS",
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
        "load_assignment": {
            "cluster_name": name,
            "endpoints": [{"lb_endpoints": [*map(_build_endpoint, endpoints)]}],
        },
    }


# IPv4 in four numbers, or anything with a colon, which no host name has.
_IP = re.compile(r"\d{1,3}(\.\d{1,3}){3}|.*:.*")


def build_route(weights: Mapping[str, int], **fields: Any) -> Json:
    """Build a route of everything to clusters by weight, with more fields of its action."""
    clusters = [{"name": name, "weight": weight} for name, weight in weights.items()]
    return {
        "match": {"prefix": "/"},
        "route": {**fields, "weighted_clusters": {"clusters": clusters}},
    }


def route_file(service: str, routes: Sequence[Json]) -> Json:
    """Build a service's first route file. It has no retries of itself: they would hide errors."""
    host = {"name": service, "domains": ["*"], "routes": [*routes]}
    config = {
        "@type": _ROUTE_CONFIG,
        "name": service,
        "validate_clusters": True,
        "virtual_hosts": [host],
    }
    return {"version_info": "initial", "resources": [config]}


def cluster_file(clusters: Iterable[Json]) -> Json:
    """Build the first cluster file."""
    resources = [{"@type": _CLUSTER, **cluster} for cluster in clusters]
    return {"version_info": "initial", "resources": resources}


def _build_address(address: SocketAddress) -> Json:
    return {"socket_address": {"address": address.host, "port_value": address.port}}


def _build_endpoint(address: SocketAddress) -> Json:
    weight = {} if address.weight is None else {"load_balancing_weight": address.weight}
    return {"endpoint": {"address": _build_address(address)}, **weight}


def build_stats(service: str, version: str) -> Json:
    """Return the tags that tell services and versions apart, and the buckets of latencies.

    Both are regular expressions of what stands around the semicolon of a cluster's `alt_stat_name`.
    """
    return {
        "stats_tags": [
            {
                "tag_name": "destination_service",
                "regex": rf"^cluster\.(({service});(?:{version})\.)",
            },
            {
                "tag_name": "destination_version",
                "regex": rf"^cluster\.((?:{service});({version})\.)",
            },
        ],
        "histogram_bucket_settings": [
            {"match": {"suffix": "upstream_rq_time"}, "buckets": list(LATENCY_EDGES)}
        ],
    }
