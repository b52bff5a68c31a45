"""Rollouts for the mesh tests: what is in the cluster before, what is asked, who sends what."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from tests.mesh.traffic import PORT, Stream
from tests.mesh.world import EDGE_PORT, NAMESPACE, SERVICE_PORT, MeshWorld, deployment, service
from tests.support.routes import destination_rule, http_route, plan, ref, to, virtual_service

RATE = 40.0  # requests a second to each service

_APP = "destination_canonical_service"

Json = dict[str, Any]
Kind = Literal["subsets", "hosts", "service", "edge"]
End = Literal["promoted", "rolled back"]
KINDS: tuple[Kind, ...] = ("subsets", "hosts", "service", "edge")


@dataclass(frozen=True)
class Story:
    """One rollout from v1 to v2 of a service of its own.

    `member` are the headers, `query` the query, of requests that take part in the plan's segment.
    With `is_made` the plan makes its route, with `is_removed` that is taken back in the end.
    """

    service: str
    kind: Kind
    end: End = "promoted"
    spec: Mapping[str, Any] = field(default_factory=dict)
    route: Mapping[str, Any] = field(default_factory=dict)
    is_made: bool = False
    is_removed: bool = False
    member: Mapping[str, str] = field(default_factory=dict)
    query: str = ""
    rate: float = RATE

    def plan(self, prometheus: str) -> Json:
        """The plan as a user applies it."""
        document = plan(self._route(), NAMESPACE, self.service).document()
        document["spec"] |= {
            "ramp": {"steps": ["10%", "50%"], "bake": "3s"},
            "guardrails": [
                {
                    "name": "errors",
                    "template": "istio/errors",
                    "margin": {"absolute": "10%"},
                    # A Service of its own for each version: the pods' `app` is what both share.
                    **({} if self.kind == "subsets" else {"labels": {"service": _APP}}),
                }
            ],
            "prometheus": {"scrape": "1s", "url": prometheus},
            "interval": "1s",
            "warmup": "2s",
            "deadline": "5m",
            "drain": "1s",
            "followWithin": "30s",
            **self.spec,
        }
        return document

    def _route(self) -> Json:
        name = self.service
        if self.kind == "subsets":
            route = {"istio": {"virtualService": name, "destinationRule": name, **self.route}}
        elif self.kind == "hosts":
            hosts = {"stable": f"{name}-v1", "canary": f"{name}-v2"}
            route = {"istio": {"virtualService": name, "hosts": hosts}}
        else:
            route = {"gateway": {"httpRoute": name, **self.route}}
        return route

    def manifests(self) -> list[Json]:
        """What runs, and the route that sends all of it to v1 unless the plan makes that."""
        name, labels = self.service, {"app": self.service}
        versions = {version: labels | {"version": version} for version in ("v1", "v2")}
        running = [service(name, labels=labels, target=PORT)]
        running += [deployment(f"{name}-{v}", pods) for v, pods in versions.items()]
        if self.kind != "subsets":
            running += [
                service(f"{name}-{v}", labels=pods, target=PORT) for v, pods in versions.items()
            ]
        return running if self.is_made else [*running, *self._routes()]

    def _routes(self) -> list[Json]:
        name = self.service
        if self.kind == "subsets":
            return [destination_rule(name), virtual_service([to(name, None, "v1")], name=name)]
        if self.kind == "hosts":
            return [virtual_service([to(f"{name}-v1")], name=name)]
        stable = [ref(f"{name}-v1")]
        if self.kind == "service":
            parent = {"group": "", "kind": "Service", "name": name, "port": SERVICE_PORT}
            return [http_route(stable, name=name, parentRefs=[parent])]
        edge, hostnames = {"name": "edge"}, [f"{name}.example.org"]
        return [http_route(stable, name=name, parentRefs=[edge], hostnames=hostnames)]

    @property
    def winner(self) -> str:
        """The version that serves in the end."""
        return "v2" if self.end == "promoted" else "v1"

    @property
    def loser(self) -> str:
        return "v1" if self.end == "promoted" else "v2"

    @property
    def host(self) -> str:
        """The host that clients ask for."""
        if self.kind == "edge":
            return f"{self.service}.example.org"
        return f"{self.service}.{NAMESPACE}.svc.cluster.local"

    def streams(self, world: MeshWorld) -> list[Stream]:
        """Requests through every Envoy that serves this rollout; some are of the segment."""
        proxies = [world.edge] if self.kind == "edge" else [*world.sidecars]
        port = EDGE_PORT if self.kind == "edge" else SERVICE_PORT
        rate = self.rate / len(proxies)
        streams = []
        for envoy in proxies:
            url = f"http://{envoy.address}:{port}/"
            name = f"{self.service}/{envoy.name}"
            if not self.member and not self.query:
                streams.append(Stream(name, envoy.name, url, self.host, rate))
                continue
            streams.append(Stream(f"{name}/outside", envoy.name, url, self.host, rate / 2))
            inside = f"{url}?{self.query}" if self.query else url
            name = f"{name}/inside"
            streams.append(Stream(name, envoy.name, inside, self.host, rate / 2, self.member))
        return streams

    def cluster(self, version: str) -> str:
        """What Istio calls a version's endpoints in an Envoy."""
        domain = f"{NAMESPACE}.svc.cluster.local"
        if self.kind == "subsets":
            return f"outbound|{SERVICE_PORT}|{version}|{self.service}.{domain}"
        return f"outbound|{SERVICE_PORT}||{self.service}-{version}.{domain}"
