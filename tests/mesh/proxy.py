"""Envoys fed by istiod: the sidecars of clients, and a gateway."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any
from urllib.request import ProxyHandler, build_opener

from rollout.demo.servers.process import Process, answers, free_ports
from rollout.demo.servers.start import envoy_binary
from tests.live.line import CuttableLine, line
from tests.live.servers import register
from tests.mesh.istiod import Istiod

_DIRECT = build_opener(ProxyHandler({}))
_HTTP = "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions"

Json = dict[str, Any]


@dataclass(frozen=True)
class ServedRoute:
    """A route as an Envoy has it: the share of each cluster, and of the copies to a cluster."""

    name: str
    match: Json
    clusters: Mapping[str, Fraction]
    copies: Mapping[str, Fraction]
    action: Json


@dataclass(frozen=True)
class Proxy:
    """An Envoy that takes requests at `address` and its configuration from istiod.

    `line.through.clear()` cuts it off from istiod, and `set()` connects it again.
    """

    name: str
    address: str
    admin: str
    process: Process
    line: CuttableLine

    def routes(self, host: str) -> list[ServedRoute]:
        """The routes for requests to this host, from Envoy's own configuration dump."""
        configs = self.dump("dynamic_route_configs")
        return routes_of(configs, host)

    def dump(self, resource: str) -> list[Json]:
        """Entries of the configuration dump, such as `dynamic_route_configs`."""
        return configs_of(self.dump_text(resource))

    def dump_text(self, resource: str) -> bytes:
        """The same as the JSON text that Envoy gives."""
        return self._get(f"/config_dump?resource={resource}")

    def counts(self, pattern: str) -> dict[str, int]:
        """Envoy's own counters whose names match a regular expression."""
        stats = json.loads(self._get(f"/stats?format=json&filter={pattern}"))["stats"]
        return {stat["name"]: stat["value"] for stat in stats if "value" in stat}

    def requests(self) -> int:
        """The requests that it took from its clients."""
        counts = self.counts(r"^http\..*\.downstream_rq_total$")
        return sum(count for name, count in counts.items() if not name.startswith("http.admin"))

    def _get(self, path: str) -> bytes:
        with _DIRECT.open(f"{self.admin}{path}", timeout=5) as page:
            return bytes(page.read())


def configs_of(text: bytes) -> list[Json]:
    """The entries of a configuration dump."""
    return list(json.loads(text).get("configs", []))


def routes_of(configs: list[Json], host: str) -> list[ServedRoute]:
    """The routes of the virtual host that serves `host`, in their order."""
    for config in configs:
        for virtual_host in config["route_config"].get("virtual_hosts", []):
            if host in virtual_host["domains"]:
                return [_route(route) for route in virtual_host.get("routes", [])]
    return []


def _route(route: Json) -> ServedRoute:
    action = route.get("route", {})
    if "cluster" in action:
        clusters = {action["cluster"]: Fraction(1)}
    else:
        weights = action.get("weighted_clusters", {}).get("clusters", [])
        total = sum(entry.get("weight", 0) for entry in weights)
        clusters = {entry["name"]: Fraction(entry.get("weight", 0), total) for entry in weights}
    copies = {
        policy["cluster"]: _fraction(policy.get("runtime_fraction"))
        for policy in action.get("request_mirror_policies", [])
    }
    return ServedRoute(route.get("name", ""), route["match"], clusters, copies, action)


_DENOMINATORS = {"HUNDRED": 100, "TEN_THOUSAND": 10_000, "MILLION": 1_000_000}


def _fraction(runtime: Json | None) -> Fraction:
    if runtime is None:
        return Fraction(1)
    value = runtime["default_value"]
    return Fraction(value.get("numerator", 0), _DENOMINATORS[value.get("denominator", "HUNDRED")])


@contextmanager
def proxy(
    server: Istiod,
    folder: Path,
    name: str,
    address: str,
    *,
    node: str,
    metadata: Json,
    ready: str = "/ready",
) -> Iterator[Proxy]:
    """Start an Envoy with the node id and metadata that Istio's agent would give it."""
    folder.mkdir(parents=True, exist_ok=True)
    (admin,) = free_ports(1)
    with ExitStack() as stack:
        to_istiod = stack.enter_context(line(server.grpc))
        settings = folder / f"{name}.json"
        settings.write_text(json.dumps(_bootstrap(admin, to_istiod.port, node, metadata)))
        options = ["--concurrency", "1", "-l", "warning", "--disable-hot-restart"]
        command = [envoy_binary(), "-c", str(settings), *options]
        process = register(Process(name, command, folder / f"{name}.log"))
        stack.callback(process.stop)
        process.wait_until(lambda: answers(f"http://127.0.0.1:{admin}{ready}"), 30)
        yield Proxy(name, address, f"http://127.0.0.1:{admin}", process, to_istiod)


@contextmanager
def sidecar(
    server: Istiod,
    folder: Path,
    namespace: str,
    name: str,
    address: str,
    *,
    ready: str = "/ready",
    **spec: Any,
) -> Iterator[Proxy]:
    """The sidecar of a client: it listens at an address of its own, for every service port.

    Two Envoys that bind one address would share its connections without a word. `spec` is what
    else its Sidecar says. One that is told to speak mTLS waits for certificates and is never
    ready; it answers at `/server_info`.
    """
    egress = [{"bind": address, "captureMode": "NONE", "hosts": ["./*"]}]
    selector = {"workloadSelector": {"labels": {"app": name}}}
    server.cluster.apply(
        {
            "apiVersion": "networking.istio.io/v1",
            "kind": "Sidecar",
            "metadata": {"name": name, "namespace": namespace},
            "spec": {**selector, "egress": egress, **spec},
        }
    )
    node = f"sidecar~{address}~{name}.{namespace}~{namespace}.svc.cluster.local"
    metadata = _metadata(namespace, name) | {"INTERCEPTION_MODE": "NONE"}
    with proxy(server, folder, name, address, node=node, metadata=metadata, ready=ready) as envoy:
        yield envoy


@contextmanager
def gateway(
    server: Istiod, folder: Path, namespace: str, name: str, address: str
) -> Iterator[Proxy]:
    """The Envoy of a gateway's pod, at the pod's address."""
    node = f"router~{address}~{name}.{namespace}~{namespace}.svc.cluster.local"
    metadata = _metadata(namespace, name) | {"SERVICE_ACCOUNT": "default"}
    with proxy(server, folder, name, address, node=node, metadata=metadata) as envoy:
        yield envoy


def _metadata(namespace: str, app: str) -> Json:
    return {
        "NAMESPACE": namespace,
        "CLUSTER_ID": "Kubernetes",
        "ISTIO_VERSION": "1.31.0",
        "LABELS": {"app": app},
    }


# An Envoy that lost istiod asks again up to half a minute later, which says nothing about Surefoot.
_AGAIN = {"retry_back_off": {"base_interval": "0.2s", "max_interval": "1s"}}


def _bootstrap(admin: int, istiod: int, node: str, metadata: Json) -> Json:
    by_ads = {"ads": {}, "resource_api_version": "V3", "initial_fetch_timeout": "0s"}
    stream = {
        "api_type": "GRPC",
        "transport_api_version": "V3",
        "set_node_on_first_message_only": True,
        "grpc_services": [{"envoy_grpc": {"cluster_name": "xds-grpc", "retry_policy": _AGAIN}}],
    }
    return {
        "node": {"id": node, "cluster": node.split("~")[2], "metadata": metadata},
        "admin": {"address": _socket(admin)},
        "stats_flush_interval": "0.2s",
        "stats_config": _STATS,
        "dynamic_resources": {"ads_config": stream, "cds_config": by_ads, "lds_config": by_ads},
        # Istio's own agent brings certificates by the second; here nobody does.
        "static_resources": {"clusters": [_grpc("xds-grpc", istiod), _grpc("sds-grpc", admin)]},
    }


# Envoy's default tags cut a cluster's name at its first dot; Istio's names have dots.
_STATS: Json = {
    "use_all_default_tags": False,
    "stats_tags": [
        {"tag_name": "cluster_name", "regex": r"^cluster\.((.+?);\.)"},
        {"tag_name": "response_code", "regex": r"_rq(_(\d{3}))$"},
        {"tag_name": "response_code_class", "regex": r"_rq(_(\dxx))$"},
    ],
}


def _grpc(name: str, port: int) -> Json:
    endpoint = {"endpoint": {"address": _socket(port)}}
    return {
        "name": name,
        "type": "STATIC",
        "connect_timeout": "1s",
        "load_assignment": {
            "cluster_name": name,
            "endpoints": [{"lb_endpoints": [endpoint]}],
        },
        "typed_extension_protocol_options": {
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                "@type": _HTTP,
                "explicit_http_config": {"http2_protocol_options": {}},
            }
        },
    }


def _socket(port: int) -> Json:
    return {"socket_address": {"address": "127.0.0.1", "port_value": port}}
