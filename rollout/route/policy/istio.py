"""A plan's policy as fields of Istio's objects: which of them are ours, and their values."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from rollout.plan.model.mesh.policy import Balance, Connections, Outliers, Policy
from rollout.plan.model.plan import Plan
from rollout.route.content import fingerprint
from rollout.route.istio.destinations import destinations, route_of
from rollout.route.istio.virtual_service import VirtualRoute, leads, requested_routes, routes
from rollout.route.manifest import Json, dicts
from rollout.route.policy.owned import Path, Roots, Wanted, spoken

Field = tuple[Path, Any]

_BALANCERS = {"roundRobin": "ROUND_ROBIN", "leastRequest": "LEAST_REQUEST"}
# The client's side of each mTLS mode. Whether plain text is accepted is decided by the server's
# side, the PeerAuthentication, so `strict` and `permissive` are the same here.
_CLIENT = {"strict": "ISTIO_MUTUAL", "permissive": "ISTIO_MUTUAL", "disable": "DISABLE"}


def rule_roots(rule: Json) -> Roots:
    """Return where a DestinationRule's policy is."""
    return {"spec": rule.setdefault("spec", {})}


def rule_fields(policy: Policy) -> Wanted:
    """Return the fields of a DestinationRule, for every subset that has none of its own."""
    fields: list[Field] = []
    if policy.outliers is not None:
        fields += _build_outlier_fields(policy.outliers)
    if policy.connections is not None:
        fields += _build_connection_fields(policy.connections)
    if policy.balance is not None:
        fields += _build_balancer_fields(policy.balance)
    if policy.locality is not None:
        regions = [
            {"from": failover.from_, "to": failover.to} for failover in policy.locality.failover
        ]
        setting = ("loadBalancer", "localityLbSetting")
        fields += [((*setting, "enabled"), True), ((*setting, "failover"), regions)]
        fields += [((*setting, rival), None) for rival in ("distribute", "failoverPriority")]
    if policy.mtls is not None:
        fields.append((("tls", "mode"), _CLIENT[policy.mtls.mode]))
    return {("spec", "trafficPolicy", *path): value for path, value in fields}


def _build_outlier_fields(outliers: Outliers) -> list[Field]:
    """Return the fields of outlier detection."""
    field = "outlierDetection"
    return [
        ((field, "consecutive5xxErrors"), outliers.consecutive_errors),
        ((field, "interval"), spoken(outliers.interval)),
        ((field, "baseEjectionTime"), spoken(outliers.eject)),
        ((field, "maxEjectionPercent"), max(1, round(outliers.most * 100))),
    ]


def _build_connection_fields(limits: Connections) -> list[Field]:
    """Return the fields of the connection limits that the plan sets."""
    field = "connectionPool"
    fields: list[Field] = [
        ((field, "tcp", "maxConnections"), limits.max),
        ((field, "http", "http1MaxPendingRequests"), limits.pending),
        ((field, "http", "http2MaxRequests"), limits.requests),
    ]
    return [(path, value) for path, value in fields if value is not None]


def _build_balancer_fields(balance: Balance) -> list[Field]:
    """Return the fields of the load balancer.

    Istio accepts either a simple method or one kind of hash key, so all others are removed.
    """
    field = "loadBalancer"
    if balance.method != "hash":
        return [((field, "simple"), _BALANCERS[balance.method]), ((field, "consistentHash"), None)]
    keys: dict[str, Any] = dict.fromkeys(("useSourceIp", "httpQueryParameterName"))
    keys["httpHeaderName"] = balance.header
    keys["httpCookie"] = {"name": balance.cookie, "ttl": "0s"} if balance.cookie else None
    hashed = [((field, "consistentHash", name), value) for name, value in keys.items()]
    return [((field, "simple"), None), *hashed]


def overruled(rule: Json, plan: Plan, wanted: Wanted) -> Iterator[str]:
    """Say which settings of a DestinationRule would take precedence over the plan's policy.

    Istio prefers a subset's or a port's own settings to those of the whole rule.
    """
    spec, ours = rule.get("spec") or {}, {path[2] for path in wanted}
    arms = {subset for _, subset in (destinations(plan).stable, destinations(plan).canary)}
    for subset in dicts(spec.get("subsets")):
        for name in sorted(ours & (subset.get("trafficPolicy") or {}).keys()):
            if subset.get("name") in arms:
                yield f"subset {subset['name']} has a {name} of its own, which would win"
    for port in dicts((spec.get("trafficPolicy") or {}).get("portLevelSettings")):
        for name in sorted(ours & port.keys()):
            number = (port.get("port") or {}).get("number")
            yield f"port {number} has a {name} of its own, which would win"


def pods_roots(peer: Json) -> Roots:
    """Return where a PeerAuthentication's mode is."""
    return {"spec": peer.setdefault("spec", {})}


def pods_fields(policy: Policy) -> Wanted:
    """Return the fields of a PeerAuthentication."""
    if policy.mtls is None:
        return {}
    return {("spec", "mtls", "mode"): policy.mtls.mode.upper()}


def route_roots(service: Json, plan: Plan) -> Roots:
    """Return every HTTP route of a VirtualService by its content, and by where it is."""
    return {_root_of(route, plan): route.body for route in routes(service) if route.kind == "http"}


def _root_of(route: VirtualRoute, plan: Plan) -> str:
    return f"{fingerprint(route.weighted_route(destinations(plan)))} {route.location}"


def find_root(recorded: str, roots: Roots) -> str:
    """Return the root that a recorded one has become: the same content, else the same name.

    A position says nothing once somebody inserted a route, so it only tells twins apart.
    """
    digits, _, location = recorded.partition(" ")
    same = [root for root in roots if root.startswith(f"{digits} ")]
    named = [root for root in roots if "`" in location and root.endswith(f" {location}")]
    return next(iter([root for root in roots if root == recorded] + same + named), recorded)


def route_fields(service: Json, plan: Plan, policy: Policy) -> Wanted:
    """Return the wanted fields of the VirtualService's HTTP routes that are ours."""
    ours, fields = _list_our_routes(service, plan), http_fields(policy)
    return {(route_name, *path): value for route_name in ours for path, value in fields.items()}


def http_fields(policy: Policy) -> dict[Path, Any]:
    """Return the wanted fields of one HTTP route."""
    fields: dict[Path, Any] = {}
    if policy.timeout is not None:
        fields["timeout",] = spoken(policy.timeout)
    if policy.retries is not None:
        is_off = not policy.retries.attempts  # Istio rejects details of retries that are off
        times = {"perTryTimeout": policy.retries.per_try, "backoff": policy.retries.backoff}
        fields["retries", "attempts"] = policy.retries.attempts
        fields["retries", "retryOn"] = None if is_off else ",".join(policy.retries.causes)
        for name, value in times.items():
            if is_off:
                fields["retries", name] = None
            elif value is not None:
                fields["retries", name] = spoken(value)
    return fields


def _list_our_routes(service: Json, plan: Plan) -> list[str]:
    """Return the HTTP routes that lead to stable, or those of an arm that the plan names."""
    mesh, wished = destinations(plan), [*requested_routes(route_of(plan))]
    return [
        _root_of(route, plan)
        for route in routes(service)
        if route.kind == "http" and leads(route, mesh, None if wished else "stable")
        if not wished or any(wish.fits(route) for wish in wished)
    ]
