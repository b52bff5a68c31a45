"""The rules of an HTTPRoute or a GRPCRoute, their backends, and what the gateways report."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from rollout.errors import RouteError
from rollout.plan.model.plan import Plan
from rollout.plan.model.route import GatewayRoute
from rollout.route.gateway.conditions import denials, names_whole
from rollout.route.manifest import Json, dicts
from rollout.route.weighted_route import TWO_ARMS, Arm, WeightedRoute

GROUP = "gateway.networking.k8s.io"


@dataclass(frozen=True)
class BackendRefs:
    """The two backends of a plan.

    Implements `Mesh`: weights are relative, and an absent one is 1.
    """

    namespace: str
    stable: str
    canary: str
    group: str = ""
    kind: str = "Service"
    port: int | None = None

    arms: ClassVar[tuple[Arm, ...]] = TWO_ARMS
    default_weight: ClassVar[int] = 1
    single_takes_all: ClassVar[bool] = False  # a lone backend of weight 0 gets nothing
    max_weight: ClassVar[int] = 1_000_000

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
        """Return the same reference with the arm's name; filters are not copied."""
        reference = {
            key: like[key] for key in ("group", "kind", "namespace", "port") if key in like
        }
        return reference | {"name": self.stable if arm == "stable" else self.canary}

    def name(self, arm: Arm) -> str:
        return f"{self.kind} {self.stable if arm == 'stable' else self.canary}"


def complaint(manifest: Json, plan: Plan) -> str:
    """Say why the gateways do not carry out the canary's route; empty if they do.

    Only conditions of the current generation count: a backend that cannot be resolved and is the
    canary, or a route that no gateway accepts.
    """
    parents = dicts((manifest.get("status") or {}).get("parents"))
    denied = [*denials(manifest)]
    for controller, kind, why in denied:
        if kind == "ResolvedRefs" and names_whole(why, backends(plan).canary):
            return f"{controller} cannot resolve the canary: {why}"
    refused = [why for _, kind, why in denied if kind == "Accepted"]
    if parents and len(refused) == len(parents):
        return f"no gateway accepts the route: {refused[0]}"
    return ""


def weighted_routes(manifest: Json, plan: Plan, *, back: bool = False) -> list[WeightedRoute]:
    """Return the rules that a plan names, or all that lead to one of its arms. Raises RouteError.

    On the way `back` to stable, only those that still do: a rule that is gone or leads elsewhere
    has no canary traffic, and must not block a rollback.
    """
    mesh, names = backends(plan), route_of(plan).rules
    numbered = [*enumerate(dicts((manifest.get("spec") or {}).get("rules")), 1)]
    arms = f"{mesh.name('stable')} or {mesh.name('canary')}"
    candidates = [
        weighted_route(number, rule, mesh)
        for number, rule in numbered
        if names is None or rule.get("name") in names
    ]
    leading = [candidate for candidate in candidates if candidate.arm_entries]
    if names is not None and not back:
        if missing := set(names) - {rule.get("name") for _, rule in numbered}:
            rule_names = (
                ", ".join(_describe_place(number, rule) for number, rule in numbered)
                or "no rule at all"
            )
            raise RouteError(f"the route has no rule named `{min(missing)}`; it has {rule_names}")
        for candidate in candidates:
            if candidate not in leading:
                raise RouteError(f"{candidate.location} leads to neither {arms}")
    if not leading:
        raise RouteError(f"no rule of {kind_of(plan)} {name_of(plan)} leads to {arms}")
    return leading


def backends(plan: Plan) -> BackendRefs:
    """Return the backends that a plan names, or `<service>-<version>` where it names none."""
    given, spec, namespace = route_of(plan).backends, plan.spec, plan.metadata.namespace
    if given is None:
        stable, canary = (f"{spec.service}-{arm.version}" for arm in (spec.stable, spec.canary))
        return BackendRefs(namespace, stable, canary)
    return BackendRefs(namespace, given.stable, given.canary, given.group, given.kind, given.port)


def kind_of(plan: Plan) -> str:
    return "HTTPRoute" if route_of(plan).http_route else "GRPCRoute"


def name_of(plan: Plan) -> str:
    route = route_of(plan)
    return route.http_route or route.grpc_route or ""


def route_of(plan: Plan) -> GatewayRoute:
    if plan.spec.route.gateway is None:
        raise RouteError(f"{plan.name} moves weights in {plan.spec.route.mesh}, not a Gateway")
    return plan.spec.route.gateway


def weighted_route(number: int, rule: Json, mesh: BackendRefs) -> WeightedRoute:
    """Return a rule as a `WeightedRoute`."""
    return WeightedRoute(_describe_place(number, rule), dicts(rule.get("backendRefs")), mesh, rule)


def _describe_place(number: int, rule: Json) -> str:
    return f"rule `{rule['name']}`" if rule.get("name") else f"rule {number}"
