"""An Istio VirtualService: manifest -> split, and split -> the merge patch of its weights."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from rollout.errors import RouteError
from rollout.plan.model.plan import Plan
from rollout.plan.model.route import IstioRoute
from rollout.route.istio.virtual_service import instead, leads, named, nowhere, routes, wishes
from rollout.route.manifest import Json, dicts
from rollout.route.weighted_route import Arm, WeightedRoute


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


def forks(manifest: Json, plan: Plan, *, back: bool = False) -> list[WeightedRoute]:
    """The routes that a plan names, or all that lead to one of its arms.

    On the way `back` to stable those that are left of them: a route that is gone or leads elsewhere
    has no canary's traffic. Raises RouteError.
    """
    route, mesh = route_of(plan), destinations(plan)
    every = [*routes(manifest)]
    wished = [*wishes(route)]
    if wished and not back:
        chosen = [each for wish in wished for each in named(wish, every)]
        for each in chosen:
            if not leads(each, mesh):
                raise RouteError(f"{each.place} {instead(each)}")
    else:
        fitting = [each for each in every if not wished or any(w.fits(each) for w in wished)]
        chosen = [each for each in fitting if leads(each, mesh)]
    if not chosen:
        raise RouteError(nowhere(every, mesh, route.virtual_service))
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


def overlap(rule: Json, plan: Plan) -> str:
    """Why a DestinationRule's two subsets are not apart; empty where each has pods of its own.

    Where the labels of the one are among those of the other, its pods are that one's too.
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
