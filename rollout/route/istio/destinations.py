"""A plan's destinations in Istio, the routes that lead to them, and their DestinationRule."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from rollout.errors import RouteError
from rollout.plan.model.mesh.route import IstioRoute
from rollout.plan.model.plan import Plan
from rollout.route.istio.virtual_service import (
    explain_destinations,
    explain_no_route,
    leads,
    named,
    requested_routes,
    routes,
)
from rollout.route.manifest import Json, dicts
from rollout.route.weighted_route import TWO_ARMS, Arm, WeightedRoute


@dataclass(frozen=True)
class Destinations:
    """The two destinations of a plan: two subsets of one host, or two hosts.

    Implements `Mesh`. Weights are relative since Istio 1.15 (`docs/decisions/0006`).
    """

    namespace: str
    stable: tuple[str, str | None]
    canary: tuple[str, str | None]

    arms: ClassVar[tuple[Arm, ...]] = TWO_ARMS
    default_weight: ClassVar[int] = 0
    single_takes_all: ClassVar[bool] = True
    max_weight: ClassVar[int] = 2**31 - 1
    carries: ClassVar[tuple[str, ...]] = ("headers",)

    def arm_of(self, entry: Json) -> Arm | None:
        """Return the arm of a destination; a host without a subset matches every subset of it."""
        destination = entry.get("destination") or {}
        host = full(str(destination.get("host", "")), self.namespace)
        arms: tuple[tuple[Arm, tuple[str, str | None]], ...] = (
            ("stable", self.stable),
            ("canary", self.canary),
        )
        for arm, (wanted, subset) in arms:
            is_subset = subset is None or destination.get("subset") == subset
            if is_subset and host == full(wanted, self.namespace):
                return arm
        return None

    def impostor(self, entry: Json) -> Arm | None:
        """Return None: another host or cluster is another destination."""
        del entry
        return None

    def target(self, entry: Json) -> str:
        destination = entry.get("destination") or {}
        host = full(str(destination.get("host", "")), self.namespace)
        return f"{host} {destination.get('subset') or ''}".strip()

    def entry(self, arm: Arm, like: Json) -> Json:
        """Return the same destination with the arm's subset or host, without headers."""
        host, subset = self.stable if arm == "stable" else self.canary
        destination = dict(like.get("destination") or {})
        destination |= {"host": host} if subset is None else {"subset": subset}
        return {"destination": destination}

    def name(self, arm: Arm) -> str:
        host, subset = self.stable if arm == "stable" else self.canary
        return host if subset is None else f"subset {subset} of {host}"


def weighted_routes(
    manifest: Json, plan: Plan, *, back: bool = False, alone: bool = False
) -> list[WeightedRoute]:
    """Return the routes that a plan names, or all that lead to stable. Raises RouteError.

    Routes that lead to the canary alone are somebody's pins: only a plan that names one moves it.
    On the way `back` nothing is raised: a route that is gone or leads elsewhere has no canary
    traffic, and must not block a rollback. With `alone` those pins count where nothing leads to
    stable: then all traffic is there.
    """
    mesh, name = destinations(plan), route_of(plan).virtual_service
    all_routes, wished = [*routes(manifest)], [*requested_routes(route_of(plan))]
    if wished and not back:
        chosen = [match for wish in wished for match in named(wish, all_routes)]
        for candidate in chosen:
            if not leads(candidate, mesh):
                raise RouteError(f"{candidate.location} {explain_destinations(candidate)}")
        chosen = [candidate for candidate in all_routes if candidate in chosen]
    elif wished:
        fitting = [route for route in all_routes if any(wish.fits(route) for wish in wished)]
        chosen = [candidate for candidate in fitting if leads(candidate, mesh)]
    else:
        pins = [candidate for candidate in all_routes if leads(candidate, mesh)] if alone else []
        chosen = [route for route in all_routes if leads(route, mesh, "stable")] or pins
    if not chosen and not back:
        raise RouteError(explain_no_route(all_routes, mesh, name))
    return [candidate.weighted_route(mesh) for candidate in chosen]


def every_route(manifest: Json, plan: Plan) -> list[WeightedRoute]:
    """Return every route of an object, also those that lead to no arm."""
    mesh = destinations(plan)
    return [route.weighted_route(mesh) for route in routes(manifest)]


def destinations(plan: Plan) -> Destinations:
    """Return the destinations that a plan names; by default the versions are the subsets."""
    route, spec, namespace = route_of(plan), plan.spec, plan.metadata.namespace
    if route.hosts is not None:
        return Destinations(namespace, (route.hosts.stable, None), (route.hosts.canary, None))
    host, subsets = route.host or spec.service, route.subsets
    stable, canary = (
        (subsets.stable, subsets.canary) if subsets else (spec.stable.version, spec.canary.version)
    )
    return Destinations(namespace, (host, stable), (host, canary))


def explain_missing_subset(rule: Json, plan: Plan) -> str:
    """Say why a DestinationRule leaves the arms without endpoints; empty if it does not."""
    mesh, spec = destinations(plan), rule.get("spec") or {}
    name = route_of(plan).destination_rule
    host = full(str(spec.get("host", "")), plan.metadata.namespace)
    if host != full(mesh.stable[0], plan.metadata.namespace):
        return f"DestinationRule {name} is for host {spec.get('host')}, not {mesh.stable[0]}"
    defined = {subset.get("name") for subset in dicts(spec.get("subsets"))}
    missing = [subset for _, subset in (mesh.stable, mesh.canary) if subset not in defined]
    return f"DestinationRule {name} defines no subset {missing[0]}" if missing else ""


def explain_overlap(rule: Json, plan: Plan) -> str:
    """Say why a DestinationRule's two subsets share pods; empty where they cannot.

    If one subset's labels are all among the other's, every pod of the other matches both.
    """
    mesh = destinations(plan)
    labels = {
        subset.get("name"): (subset.get("labels") or {}).items()
        for subset in dicts((rule.get("spec") or {}).get("subsets"))
    }
    stable, canary = labels.get(mesh.stable[1]), labels.get(mesh.canary[1])
    if stable is None or canary is None or not (stable <= canary or canary <= stable):
        return ""
    inner, outer = (mesh.canary[1], mesh.stable[1])
    if not stable <= canary:
        inner, outer = outer, inner
    return f"the pods of subset {inner} are also in subset {outer}"


def full(host: str, namespace: str) -> str:
    """Return a host's full name; a short one belongs to the rule's namespace, as in Istio."""
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
