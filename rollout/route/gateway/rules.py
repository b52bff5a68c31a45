"""A Gateway API HTTPRoute or GRPCRoute: manifest -> split, and split -> its merge patch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from rollout.errors import RouteError
from rollout.plan.model.plan import Plan
from rollout.plan.model.route import GatewayRoute
from rollout.route.manifest import Json, dicts
from rollout.route.weighted_route import Arm, WeightedRoute

GROUP = "gateway.networking.k8s.io"


@dataclass(frozen=True)
class Backends:
    """The two backends of a plan. Weights are relative, and one that is not written is 1."""

    namespace: str
    stable: str
    canary: str
    group: str = ""
    kind: str = "Service"
    port: int | None = None

    absent: ClassVar[int] = 1
    lone: ClassVar[bool] = False  # a lone backend of weight 0 gets nothing
    most: ClassVar[int] = 1_000_000

    def arm_of(self, entry: Json) -> Arm | None:
        ours = (
            entry.get("group", "") == self.group
            and entry.get("kind", "Service") == self.kind
            and entry.get("namespace", self.namespace) == self.namespace
            and self.port in (None, entry.get("port"))
        )
        arms: dict[str, Arm] = {self.stable: "stable", self.canary: "canary"}
        return arms.get(str(entry.get("name"))) if ours else None

    def entry(self, arm: Arm, like: Json) -> Json:
        """The same reference with another name; its filters stay its own."""
        kept = {key: like[key] for key in ("group", "kind", "namespace", "port") if key in like}
        return kept | {"name": self.stable if arm == "stable" else self.canary}

    def name(self, arm: Arm) -> str:
        return f"{self.kind} {self.stable if arm == 'stable' else self.canary}"


def complaint(manifest: Json, plan: Plan) -> str:
    """Why the gateways do not carry out what the route says of the canary; empty if they do.

    Only what they say of this generation counts: that a backend cannot be resolved and is the
    canary, or that none of them accepts the route.
    """
    parents = dicts((manifest.get("status") or {}).get("parents"))
    said = [(parent, _denied(parent, manifest)) for parent in parents]
    for parent, denied in said:
        if backends(plan).canary in (why := denied.get("ResolvedRefs", "")):
            return f"{parent.get('controllerName')} cannot resolve the canary: {why}"
    if said and all("Accepted" in denied for _, denied in said):
        return f"no gateway accepts the route: {said[0][1]['Accepted']}"
    return ""


def _denied(parent: Json, manifest: Json) -> dict[str, str]:
    """The conditions that do not hold for the route as it is now, with their reasons."""
    now = (manifest.get("metadata") or {}).get("generation")
    return {
        str(each.get("type")): f"{each.get('reason')}: {each.get('message')}"
        for each in dicts(parent.get("conditions"))
        if each.get("status") == "False" and each.get("observedGeneration", now) == now
    }


def forks(manifest: Json, plan: Plan, *, back: bool = False) -> list[WeightedRoute]:
    """The rules that a plan names, or all that lead to one of its arms.

    On the way `back` to stable those that are left of them: a rule that is gone or leads elsewhere
    has no canary's traffic. Raises RouteError.
    """
    mesh, names = backends(plan), route_of(plan).rules
    every = [*enumerate(dicts((manifest.get("spec") or {}).get("rules")), 1)]
    arms = f"{mesh.name('stable')} or {mesh.name('canary')}"
    found = [
        fork(number, rule, mesh)
        for number, rule in every
        if names is None or rule.get("name") in names
    ]
    leading = [each for each in found if each.arms]
    if names is not None and not back:
        if missing := set(names) - {rule.get("name") for _, rule in every}:
            there = ", ".join(_place(number, rule) for number, rule in every) or "no rule at all"
            raise RouteError(f"the route has no rule named `{min(missing)}`; it has {there}")
        for each in found:
            if each not in leading:
                raise RouteError(f"{each.place} leads to neither {arms}")
    if not leading:
        raise RouteError(f"no rule of {kind_of(plan)} {name_of(plan)} leads to {arms}")
    return leading


def backends(plan: Plan) -> Backends:
    """What a plan calls its two arms."""
    given, spec, namespace = route_of(plan).backends, plan.spec, plan.metadata.namespace
    if given is None:
        stable, canary = (f"{spec.service}-{arm.version}" for arm in (spec.stable, spec.canary))
        return Backends(namespace, stable, canary)
    return Backends(namespace, given.stable, given.canary, given.group, given.kind, given.port)


def kind_of(plan: Plan) -> str:
    return "HTTPRoute" if route_of(plan).http_route else "GRPCRoute"


def name_of(plan: Plan) -> str:
    route = route_of(plan)
    return route.http_route or route.grpc_route or ""


def route_of(plan: Plan) -> GatewayRoute:
    if plan.spec.route.gateway is None:
        raise RouteError(f"{plan.name} moves weights in {plan.spec.route.mesh}, not a Gateway")
    return plan.spec.route.gateway


def fork(number: int, rule: Json, mesh: Backends) -> WeightedRoute:
    """A rule as the routers see it."""
    return WeightedRoute(_place(number, rule), dicts(rule.get("backendRefs")), mesh, rule)


def _place(number: int, rule: Json) -> str:
    return f"rule `{rule['name']}`" if rule.get("name") else f"rule {number}"
