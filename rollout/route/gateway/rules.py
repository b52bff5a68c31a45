"""The rules of an HTTPRoute or a GRPCRoute, and their backends."""

from __future__ import annotations

from rollout.errors import RouteError
from rollout.plan.model.mesh.route import GatewayRoute
from rollout.plan.model.plan import Plan
from rollout.route.gateway.backend_refs import BackendRefs, refuse_impostors
from rollout.route.gateway.requested_routes import RuleWish, requested_routes
from rollout.route.manifest import Json, dicts
from rollout.route.weighted_route import WeightedRoute, for_segment

GROUP = "gateway.networking.k8s.io"


def weighted_routes(
    manifest: Json, plan: Plan, *, back: bool = False, alone: bool = False
) -> list[WeightedRoute]:
    """Return the rules that a plan names, or all that lead to stable. Raises RouteError.

    Rules that lead to the canary alone are somebody's pins: only a plan that names one moves it.
    On the way `back` nothing is raised: a rule that is gone or leads elsewhere has no canary
    traffic, and must not block a rollback. With `alone` those pins count where nothing leads to
    stable: then all traffic is there.
    """
    wished, every = [*requested_routes(route_of(plan))], every_route(manifest, plan)
    if not back:
        named = [rule for rule in every if any(wish.fits(rule.body) for wish in wished)]
        refuse_impostors(named if wished else every, backends(plan))
    if not wished:
        pins = [rule for rule in every if rule.arm_entries] if alone else []
        chosen = [rule for rule in every if rule.of("stable")] or pins
        if not chosen and not back:
            raise RouteError(_explain_no_rule(every, plan))
        return chosen
    if not back:
        _check_wishes(wished, every, plan)
    fitting = [rule for rule in every if any(wish.fits(rule.body) for wish in wished)]
    return [rule for rule in fitting if rule.arm_entries]


def every_route(manifest: Json, plan: Plan) -> list[WeightedRoute]:
    """Return every rule of an object, also those that lead to no arm."""
    mesh = backends(plan)
    rules = dicts((manifest.get("spec") or {}).get("rules"))
    ours = [number for number, rule in enumerate(rules) if not for_segment(rule)]
    numbers = {number: position for position, number in enumerate(ours, 1)}
    return [weighted_route(numbers.get(number, 0), rule, mesh) for number, rule in enumerate(rules)]


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


def _check_wishes(wished: list[RuleWish], every: list[WeightedRoute], plan: Plan) -> None:
    """Raise RouteError where a rule that the plan names is not there, or leads to no arm."""
    arms = f"{backends(plan).name('stable')} or {backends(plan).name('canary')}"
    for wish in wished:
        fitting = [rule for rule in every if wish.fits(rule.body)]
        if not fitting:
            names = ", ".join(rule.location for rule in every) or "no rule at all"
            raise RouteError(f"the route has no rule {wish}; it has {names}")
        for rule in fitting:
            if not rule.arm_entries:
                raise RouteError(f"{rule.location} leads to neither {arms}")


def _explain_no_rule(every: list[WeightedRoute], plan: Plan) -> str:
    """Say why a route has no rule that a plan may move by default, and where its rules lead."""
    mesh = backends(plan)
    has_pins = any(rule.arm_entries for rule in every)
    arms = mesh.name("stable") + ("" if has_pins else f" or {mesh.name('canary')}")
    targets = [
        f"{rule.location} leads to {', '.join(map(mesh.target, rule.entries)) or 'no backend'}"
        for rule in every
    ]
    means = mesh.target(mesh.entry("stable", mesh.pattern))
    return (
        f"no rule of {kind_of(plan)} {name_of(plan)} leads to {arms}: "
        f"{'; '.join(targets) or 'it has no rules'}; the plan means {means}"
    )


def weighted_route(number: int, rule: Json, mesh: BackendRefs) -> WeightedRoute:
    """Return a rule as a `WeightedRoute`."""
    return WeightedRoute(_describe_place(number, rule), dicts(rule.get("backendRefs")), mesh, rule)


def _describe_place(number: int, rule: Json) -> str:
    return f"rule `{rule['name']}`" if rule.get("name") else f"rule {number}"
