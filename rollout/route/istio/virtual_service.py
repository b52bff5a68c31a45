"""The routes of a VirtualService: found by name or by match, and where each leads."""

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
    """One route of a VirtualService."""

    kind: str
    number: int
    body: Json

    @property
    def place(self) -> str:
        name = self.body.get("name")
        return f"{self.kind} route `{name}`" if name else f"{self.kind} route {self.number}"

    def fork(self, mesh: Mesh) -> WeightedRoute:
        return WeightedRoute(self.place, dicts(self.body.get("route")), mesh, self.body)


@dataclass(frozen=True)
class Wish:
    """A route that a plan asks for: by its name, or by one of its matches."""

    kind: str
    name: str = ""
    match: tuple[frozenset[str], int | None] = (frozenset(), None)

    def fits(self, route: VirtualRoute) -> bool:
        if route.kind != self.kind:
            return False
        if self.name:
            return route.body.get("name") == self.name
        return any(_match(each) == self.match for each in dicts(route.body.get("match")))

    def __str__(self) -> str:
        hosts, port = self.match
        words = [*sorted(hosts), *([f"port {port}"] if port else [])]
        said = f"named `{self.name}`" if self.name else f"that matches {' and '.join(words)}"
        return f"{self.kind} route {said}"


def _match(match: Json) -> tuple[frozenset[str], int | None]:
    return frozenset(match.get("sniHosts") or ()), match.get("port")


def wishes(route: IstioRoute) -> Iterator[Wish]:
    """The routes that a plan names."""
    for name in route.http or ():
        yield Wish("http", name)
    for tls in route.tls or ():
        yield Wish("tls", match=(frozenset(tls.sni_hosts), tls.port))
    for tcp in route.tcp or ():
        yield Wish("tcp", match=(frozenset(), tcp.port))


def named(wish: Wish, every: list[VirtualRoute]) -> list[VirtualRoute]:
    """The routes that fit. Raises RouteError if none does."""
    found = [each for each in every if wish.fits(each)]
    if not found:
        there = ", ".join(each.place for each in every) or "no route at all"
        raise RouteError(f"the VirtualService has no {wish}; it has {there}")
    return found


def routes(manifest: Json) -> Iterator[VirtualRoute]:
    """Every route, in its order; those that we put there for a segment change no number."""
    spec = manifest.get("spec") or {}
    for kind in _KINDS:
        number = 0
        for body in dicts(spec.get(kind)):
            number += not for_segment(body)
            yield VirtualRoute(kind, number, body)


def leads(route: VirtualRoute, mesh: Mesh) -> bool:
    """Whether a route leads to one of the two arms."""
    return any(mesh.arm_of(entry) for entry in dicts(route.body.get("route")))


def nowhere(every: list[VirtualRoute], mesh: Mesh, name: str) -> str:
    """Why no route of a VirtualService is ours."""
    arms = f"{mesh.name('stable')} or {mesh.name('canary')}"
    there = "; ".join(f"{each.place} {instead(each)}" for each in every) or "it has no routes"
    return f"no route of VirtualService {name} leads to {arms}: {there}"


def instead(route: VirtualRoute) -> str:
    """Where a route leads that leads to no arm, and what to do about it."""
    delegate = route.body.get("delegate")
    if isinstance(delegate, dict):
        other = f"{delegate.get('namespace', '')}/{delegate.get('name')}".removeprefix("/")
        return f"delegates to VirtualService {other}: name that one in the plan"
    found = [entry.get("destination") or {} for entry in dicts(route.body.get("route"))]
    if not found:
        return "leads to no destination"
    places = [f"{each.get('host')} {each.get('subset', '')}".strip() for each in found]
    return f"leads to {', '.join(places)}"
