"""An Istio VirtualService: manifest -> split, and split -> the merge patch of its weights."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from rollout.decide.split import Split
from rollout.errors import RouteError
from rollout.plan.model import Plan
from rollout.plan.route import IstioRoute
from rollout.route import share
from rollout.route.share import Arm, Fork
from rollout.route.walk import Json, dicts

_KINDS = ("http", "tls", "tcp")


@dataclass(frozen=True)
class Destinations:
    """The two destinations of a plan: two subsets of one host, or two hosts.

    Weights are relative since Istio 1.15 (`docs/decisions/0006`).
    """

    namespace: str
    stable: tuple[str, str | None]
    canary: tuple[str, str | None]

    absent: ClassVar[int] = 0
    lone: ClassVar[bool] = True
    most: ClassVar[int] = 2**31 - 1

    def arm_of(self, entry: Json) -> Arm | None:
        destination = entry.get("destination") or {}
        host = full(str(destination.get("host", "")), self.namespace)
        arms: tuple[tuple[Arm, tuple[str, str | None]], ...] = (
            ("stable", self.stable),
            ("canary", self.canary),
        )
        for arm, (wanted, subset) in arms:
            named = subset is None or destination.get("subset") == subset
            if named and host == full(wanted, self.namespace):
                return arm
        return None

    def entry(self, arm: Arm, like: Json) -> Json:
        """The same destination with another subset or host; its headers stay its own."""
        host, subset = self.stable if arm == "stable" else self.canary
        destination = dict(like.get("destination") or {})
        destination |= {"host": host} if subset is None else {"subset": subset}
        return {"destination": destination}

    def name(self, arm: Arm) -> str:
        host, subset = self.stable if arm == "stable" else self.canary
        return host if subset is None else f"subset {subset} of {host}"


def split_of(manifest: Json, plan: Plan, total: int) -> Split:
    """The split that a VirtualService shows, in parts of `total`. Raises RouteError for none."""
    return share.split_of(manifest, forks(manifest, plan), plan.spec.service, total)


def patch(manifest: Json, plan: Plan, split: Split, mark: str) -> Json:
    """The smallest merge patch to a split and its mark. Raises RouteError."""
    return share.patch(manifest, lambda live: forks(live, plan), plan.spec.service, split, mark)


def forks(manifest: Json, plan: Plan) -> list[Fork]:
    """The routes that a plan names, or all that lead to one of its arms. Raises RouteError."""
    route, mesh = route_of(plan), destinations(plan)
    every = [*_routes(manifest)]
    if not (route.http or route.tls or route.tcp):
        found = [each for each in every if _leads(each, mesh)]
        if not found:
            raise RouteError(_nowhere(every, mesh, plan))
        return [each.fork(mesh) for each in found]
    chosen = [each for wish in _wishes(route) for each in _named(wish, every)]
    for each in chosen:
        if not _leads(each, mesh):
            raise RouteError(f"{each.place} {_instead(each)}")
    return [each.fork(mesh) for each in chosen]


def destinations(plan: Plan) -> Destinations:
    """What a plan calls its two arms."""
    route, spec, namespace = route_of(plan), plan.spec, plan.metadata.namespace
    if route.hosts is not None:
        return Destinations(namespace, (route.hosts.stable, None), (route.hosts.canary, None))
    host, subsets = route.host or spec.service, route.subsets
    stable, canary = (
        (subsets.stable, subsets.canary) if subsets else (spec.stable.version, spec.canary.version)
    )
    return Destinations(namespace, (host, stable), (host, canary))


def lacking(rule: Json, plan: Plan) -> str:
    """Why a DestinationRule would leave the arms without endpoints; empty if it does not."""
    mesh, spec = destinations(plan), rule.get("spec") or {}
    name = route_of(plan).destination_rule
    host = full(str(spec.get("host", "")), plan.metadata.namespace)
    if host != full(mesh.stable[0], plan.metadata.namespace):
        return f"DestinationRule {name} is for host {spec.get('host')}, not {mesh.stable[0]}"
    there = {subset.get("name") for subset in dicts(spec.get("subsets"))}
    missing = [subset for _, subset in (mesh.stable, mesh.canary) if subset not in there]
    return f"DestinationRule {name} defines no subset {missing[0]}" if missing else ""


def full(host: str, namespace: str) -> str:
    """A host's full name: short ones belong to the namespace of the rule, as Istio reads them."""
    parts = host.lower().removesuffix(".").split(".")
    if len(parts) == 1:
        parts.append(namespace)
    if len(parts) == 2:
        parts.append("svc")
    if len(parts) == 3 and parts[2] == "svc":
        parts += ["cluster", "local"]
    return ".".join(parts)


def route_of(plan: Plan) -> IstioRoute:
    if plan.spec.route.istio is None:
        raise RouteError(f"{plan.name} moves weights in {plan.spec.route.mesh}, not in Istio")
    return plan.spec.route.istio


@dataclass(frozen=True)
class _Route:
    """One route of a VirtualService."""

    kind: str
    number: int
    body: Json

    @property
    def place(self) -> str:
        name = self.body.get("name")
        return f"{self.kind} route `{name}`" if name else f"{self.kind} route {self.number}"

    def fork(self, mesh: Destinations) -> Fork:
        return Fork(self.place, dicts(self.body.get("route")), mesh)


@dataclass(frozen=True)
class _Wish:
    """A route that a plan asks for: by its name, or by one of its matches."""

    kind: str
    name: str = ""
    match: tuple[frozenset[str], int | None] = (frozenset(), None)

    def fits(self, route: _Route) -> bool:
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


def _wishes(route: IstioRoute) -> Iterator[_Wish]:
    for name in route.http or ():
        yield _Wish("http", name)
    for tls in route.tls or ():
        yield _Wish("tls", match=(frozenset(tls.sni_hosts), tls.port))
    for tcp in route.tcp or ():
        yield _Wish("tcp", match=(frozenset(), tcp.port))


def _named(wish: _Wish, every: list[_Route]) -> list[_Route]:
    found = [each for each in every if wish.fits(each)]
    if not found:
        there = ", ".join(each.place for each in every) or "no route at all"
        raise RouteError(f"the VirtualService has no {wish}; it has {there}")
    return found


def _routes(manifest: Json) -> Iterator[_Route]:
    spec = manifest.get("spec") or {}
    for kind in _KINDS:
        for number, body in enumerate(dicts(spec.get(kind)), 1):
            yield _Route(kind, number, body)


def _leads(route: _Route, mesh: Destinations) -> bool:
    return any(mesh.arm_of(entry) for entry in dicts(route.body.get("route")))


def _nowhere(every: list[_Route], mesh: Destinations, plan: Plan) -> str:
    arms = f"{mesh.name('stable')} or {mesh.name('canary')}"
    there = "; ".join(f"{each.place} {_instead(each)}" for each in every) or "it has no routes"
    return f"no route of VirtualService {route_of(plan).virtual_service} leads to {arms}: {there}"


def _instead(route: _Route) -> str:
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
