"""The routes of a VirtualService: find them by name or by match, and say where each leads."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass

from rollout.errors import RouteError
from rollout.plan.model.mesh.route import IstioRoute
from rollout.route.manifest import Json, dicts
from rollout.route.weighted_route import Arm, Mesh, WeightedRoute, for_segment

_KINDS = ("http", "tls", "tcp")


@dataclass(frozen=True)
class VirtualRoute:
    """One route of a VirtualService; `number` counts the routes of its kind from 1."""

    kind: str
    number: int
    body: Json

    @property
    def location(self) -> str:
        """The route's name in messages."""
        name = self.body.get("name")
        return f"{self.kind} route `{name}`" if name else f"{self.kind} route {self.number}"

    def weighted_route(self, mesh: Mesh) -> WeightedRoute:
        return WeightedRoute(self.location, dicts(self.body.get("route")), mesh, self.body)


@dataclass(frozen=True)
class RequestedRoute:
    """A route that a plan asks for, by its name or by one of its matches.

    A TLS or TCP route is asked for by SNI hosts and port, an HTTP route by a whole `http_match`;
    an empty one asks for the routes without a match.
    """

    kind: str
    name: str = ""
    match: tuple[frozenset[str], int | None] = (frozenset(), None)
    http_match: Json | None = None

    def fits(self, route: VirtualRoute) -> bool:
        """Return whether a route has the wished kind, and the name or one of the matches."""
        if route.kind != self.kind:
            return False
        if self.name:
            return bool(route.body.get("name") == self.name)
        if self.http_match is not None:
            return self.http_match in (dicts(route.body.get("match")) or [{}])
        return any(_read_match(match) == self.match for match in dicts(route.body.get("match")))

    def __str__(self) -> str:
        if self.http_match is not None:
            return f"{self.kind} route that matches {json.dumps(self.http_match)}"
        hosts, port = self.match
        words = [*sorted(hosts), *([f"port {port}"] if port else [])]
        detail = f"named `{self.name}`" if self.name else f"that matches {' and '.join(words)}"
        return f"{self.kind} route {detail}"


def _read_match(match: Json) -> tuple[frozenset[str], int | None]:
    """Return the SNI hosts and the port of a match, which identify a TLS or TCP route."""
    return frozenset(match.get("sniHosts") or ()), match.get("port")


def requested_routes(route: IstioRoute) -> Iterator[RequestedRoute]:
    """Yield the routes that a plan names."""
    for name in route.http or ():
        yield RequestedRoute("http", name)
    for match in route.matches or ():
        yield RequestedRoute("http", http_match=match)
    for tls in route.tls or ():
        yield RequestedRoute("tls", match=(frozenset(tls.sni_hosts), tls.port))
    for tcp in route.tcp or ():
        yield RequestedRoute("tcp", match=(frozenset(), tcp.port))


def named(wish: RequestedRoute, all_routes: list[VirtualRoute]) -> list[VirtualRoute]:
    """Return the routes that fit. Raises RouteError if none does."""
    fitting = [route for route in all_routes if wish.fits(route)]
    if not fitting:
        route_names = ", ".join(route.location for route in all_routes) or "no route at all"
        raise RouteError(f"the VirtualService has no {wish}; it has {route_names}")
    return fitting


def routes(manifest: Json) -> Iterator[VirtualRoute]:
    """Yield every route in order; routes that we added for a segment are not counted."""
    spec = manifest.get("spec") or {}
    for kind in _KINDS:
        number = 0
        for body in dicts(spec.get(kind)):
            number += not for_segment(body)
            yield VirtualRoute(kind, number, body)


def leads(route: VirtualRoute, mesh: Mesh, arm: Arm | None = None) -> bool:
    """Return whether a route leads to one of the two arms, or to this one."""
    arms = [mesh.arm_of(entry) for entry in dicts(route.body.get("route"))]
    return arm in arms if arm else any(arms)


def explain_no_route(all_routes: list[VirtualRoute], mesh: Mesh, name: str) -> str:
    """Say why a VirtualService has no route that a plan may move by default."""
    has_pins = any(leads(route, mesh) for route in all_routes)
    arms = mesh.name("stable") + ("" if has_pins else f" or {mesh.name('canary')}")
    details = (
        "; ".join(f"{route.location} {explain_destinations(route)}" for route in all_routes)
        or "it has no routes"
    )
    return f"no route of VirtualService {name} leads to {arms}: {details}"


def explain_destinations(route: VirtualRoute) -> str:
    """Say where a route leads that leads to no arm, and what to do about it."""
    delegate = route.body.get("delegate")
    if isinstance(delegate, dict):
        other = f"{delegate.get('namespace', '')}/{delegate.get('name')}".removeprefix("/")
        return f"delegates to VirtualService {other}: name that one in the plan"
    targets = [entry.get("destination") or {} for entry in dicts(route.body.get("route"))]
    if not targets:
        return "leads to no destination"
    hosts = [f"{target.get('host')} {target.get('subset', '')}".strip() for target in targets]
    return f"leads to {', '.join(hosts)}"
