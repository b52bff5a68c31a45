"""One mesh for all tests of this folder: a cluster, istiod, Envoys, backends and Prometheus."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from rollout.demo.servers.process import Process, answers, free_ports
from tests.live.kube import Kube, kube
from tests.live.pipeline import until
from tests.live.servers import register
from tests.mesh.istiod import Istiod, istiod
from tests.mesh.proxy import Proxy, gateway, sidecar
from tests.mesh.traffic import MeshTraffic

NAMESPACE = "clinical-ai"
EDGE_PORT = 8081
SERVICE_PORT = 80

Json = dict[str, Any]


@dataclass(frozen=True)
class MeshWorld:
    """What a test asks: the cluster, the mesh, and who sends and serves requests in it."""

    cluster: Kube
    istiod: Istiod
    traffic: MeshTraffic
    sidecars: Sequence[Proxy]
    edge: Proxy
    prometheus: str

    @property
    def proxies(self) -> Sequence[Proxy]:
        return (*self.sidecars, self.edge)

    def apply(self, *manifests: Json) -> None:
        """Apply these in the namespace, in one go."""
        together = {"apiVersion": "v1", "kind": "List", "items": [*manifests]}
        self.cluster.apply(together, "-n", NAMESPACE)


@contextmanager
def world(folder: Path) -> Iterator[MeshWorld]:
    """Start everything; about ten seconds."""
    with ExitStack() as stack:
        traffic = stack.enter_context(MeshTraffic().running())
        cluster = stack.enter_context(kube(folder / "kube", traffic, grace=1.0))
        cluster.ask("POST", "/api/v1/namespaces", {"metadata": {"name": NAMESPACE}})
        server = stack.enter_context(istiod(cluster, folder / "istiod"))
        clients = [
            stack.enter_context(sidecar(server, folder / "envoys", NAMESPACE, name, address))
            for name, address in (("client-a", "127.0.0.11"), ("client-b", "127.0.0.12"))
        ]
        edge = stack.enter_context(_edge(cluster, server, folder / "envoys"))
        url = stack.enter_context(_prometheus(folder / "prometheus", [*clients, edge]))
        yield MeshWorld(cluster, server, traffic, clients, edge, url)


@contextmanager
def _edge(cluster: Kube, server: Istiod, folder: Path) -> Iterator[Proxy]:
    """A gateway of the Gateway API with a Deployment and a Service of one's own."""
    name = "edge"
    address = f"{name}.{NAMESPACE}.svc.cluster.local"
    listener = {"name": "http", "protocol": "HTTP", "port": EDGE_PORT}
    manifests: list[Json] = [
        {
            "apiVersion": "gateway.networking.k8s.io/v1",
            "kind": "Gateway",
            "metadata": {"name": name},
            "spec": {
                "gatewayClassName": "istio",
                "addresses": [{"type": "Hostname", "value": address}],
                "listeners": [listener],
            },
        },
        service(name, port=EDGE_PORT, target=EDGE_PORT, labels={"app": name}),
        deployment(name, {"app": name}),
    ]
    cluster.apply({"apiVersion": "v1", "kind": "List", "items": manifests}, "-n", NAMESPACE)
    pod = until(lambda: _addresses(cluster, name), "the gateway's pod has an address", 30)[0]
    with gateway(server, folder, NAMESPACE, name, pod) as envoy:
        yield envoy


def _addresses(cluster: Kube, app: str) -> list[str]:
    path = f"/api/v1/namespaces/{NAMESPACE}/pods?labelSelector=app%3D{app}"
    addresses = (pod["status"].get("podIP") for pod in cluster.ask("GET", path)["items"])
    return [address for address in addresses if address]


def service(name: str, *, labels: Json, port: int = SERVICE_PORT, target: int) -> Json:
    """A Service of HTTP pods."""
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name},
        "spec": {
            "selector": labels,
            "ports": [{"name": "http", "port": port, "targetPort": target}],
        },
    }


def deployment(name: str, labels: Json, replicas: int = 1) -> Json:
    """A Deployment whose pods have these labels; nothing is pulled, so its image is a name."""
    container = {"name": "main", "image": f"{name}:1"}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": [container]}},
        },
    }


@contextmanager
def _prometheus(folder: Path, proxies: Sequence[Proxy]) -> Iterator[str]:
    """A Prometheus that scrapes the Envoys each second, with the names that Istio's own have."""
    binary = shutil.which("prometheus")
    assert binary, "prometheus is not installed: run `apt-get install -y prometheus`"
    folder.mkdir(parents=True, exist_ok=True)
    (port,) = free_ports(1)
    url = f"http://127.0.0.1:{port}"
    settings = folder / "prometheus.json"
    settings.write_text(json.dumps(_scrapes(proxies)))
    options = {
        "config.file": settings,
        "storage.tsdb.path": folder / "data",
        "web.listen-address": f"127.0.0.1:{port}",
        "log.level": "warn",
    }
    command = [binary, *(f"--{name}={value}" for name, value in options.items())]
    with register(Process("prometheus", command, folder / "prometheus.log")) as process:
        process.wait_until(lambda: answers(f"{url}/-/ready"))
        yield url


def _scrapes(proxies: Sequence[Proxy]) -> Json:
    targets = [
        {"targets": [envoy.admin.removeprefix("http://")], "labels": {"pod": envoy.name}}
        for envoy in proxies
    ]
    job = {
        "job_name": "envoys",
        "metrics_path": "/stats/prometheus",
        "params": {"usedonly": [""]},
        "static_configs": targets,
        "metric_relabel_configs": _RELABEL,
    }
    return {"global": {"scrape_interval": "1s", "scrape_timeout": "1s"}, "scrape_configs": [job]}


_CLUSTER = {"source_labels": ["cluster_name"]}
_SUBSETS = r"outbound\|\d+\|([^|]+)\|([^.]+)\.([^.]+)\..*"
_SERVICES = r"outbound\|\d+\|\|([^.]+)\.([^.]+)\..*"
_VERSIONS = r"outbound\|\d+\|\|[^.]+-(v\d+)\..*"
_PODS = r"outbound\|\d+\|[^|]*\|([^.]+?)(?:-v\d+)?\..*"


def _relabel(regex: str, target: str, replacement: str) -> Json:
    return {**_CLUSTER, "regex": regex, "target_label": target, "replacement": replacement}


def _rename(old: str, new: str) -> Json:
    name = "__name__"
    return {"source_labels": [name], "regex": old, "target_label": name, "replacement": new}


_RELABEL: list[Json] = [
    {
        "source_labels": ["__name__", "response_code"],
        "regex": r"envoy_cluster_upstream_rq;\d+|envoy_cluster_upstream_rq_time_bucket;",
        "action": "keep",
    },
    {**_CLUSTER, "regex": r"outbound\|.*", "action": "keep"},
    _relabel(_SUBSETS, "destination_version", "$1"),
    _relabel(_SUBSETS, "destination_service_name", "$2"),
    _relabel(_SUBSETS, "destination_service_namespace", "$3"),
    _relabel(_SERVICES, "destination_service_name", "$1"),
    _relabel(_SERVICES, "destination_service_namespace", "$2"),
    # What Istio takes from the pods' labels `version` and `app`, a Service's name tells here.
    _relabel(_VERSIONS, "destination_version", "$1"),
    _relabel(_PODS, "destination_canonical_service", "$1"),
    _relabel(r".*", "reporter", "source"),
    _rename("envoy_cluster_upstream_rq", "istio_requests_total"),
    _rename("envoy_cluster_upstream_rq_time_bucket", "istio_request_duration_milliseconds_bucket"),
]


def wait_for(proxies: Sequence[Proxy], host: str, seconds: float = 20.0) -> None:
    """Wait until every one of these Envoys has routes for a host."""
    for envoy in proxies:
        until(partial(envoy.routes, host), f"{envoy.name} knows {host}", seconds)
