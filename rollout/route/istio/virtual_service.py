"""The routes of a VirtualService: find them by name or by match, and say where each leads."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from rollout.errors import RouteError
from rollout.plan.model.route import IstioRoute
from rollout.route.manifest import Json, dicts
from rollout.route.weighted_route import Mesh, WeightedRoute, for_segment

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
    """A route that a plan asks for, by its name or by one of its matches."""

    kind: str
    name: str = ""
    match: tuple[frozenset[str], int | None] = (frozenset(), None)

    def fits(self, route: VirtualRoute) -> bool:
        """Return whether a route has the wished kind, and the name or one of the matches."""
        if route.kind != self.kind:
            return False
        if self.name:
            return route.body.get("name") == self.name
        return any(_read_match(match) == self.match for match in dicts(route.body.get("match")))

    def __str__(self) -> str:
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


def leads(route: VirtualRoute, mesh: Mesh) -> bool:
    """Return whether a route leads to one of the two arms."""
    return any(mesh.arm_of(entry) for entry in dicts(route.body.get("route")))


def explain_no_route(all_routes: list[VirtualRoute], mesh: Mesh, name: str) -> str:
    """Say why no route of a VirtualService leads to an arm."""
    arms = f"{mesh.name('stable')} or {mesh.name('canary')}"
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
