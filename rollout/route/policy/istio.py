"""A plan's policy as fields of Istio's objects: which of them are ours, and their values."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from rollout.plan.model.plan import Plan
from rollout.plan.model.policy import Balance, Connections, Outliers, Policy
from rollout.route.istio.destinations import destinations, route_of
from rollout.route.istio.virtual_service import leads, routes, wishes
from rollout.route.manifest import Json, dicts
from rollout.route.policy.owned import Path, Roots, Wanted, spoken

Field = tuple[Path, Any]

_BALANCERS = {"roundRobin": "ROUND_ROBIN", "leastRequest": "LEAST_REQUEST"}
# The proxies' side and the pods' side of one mode: who may speak plain text is told by the pods.
_CLIENT = {"strict": "ISTIO_MUTUAL", "permissive": "ISTIO_MUTUAL", "disable": "DISABLE"}


def rule_roots(rule: Json) -> Roots:
    """Where a DestinationRule's policy stands."""
    return {"spec": rule.setdefault("spec", {})}


def rule_fields(policy: Policy) -> Wanted:
    """Fields of a DestinationRule, for every subset that does not say otherwise."""
    made: list[Field] = []
    if policy.outliers is not None:
        made += _outliers(policy.outliers)
    if policy.connections is not None:
        made += _connections(policy.connections)
    if policy.balance is not None:
        made += _balance(policy.balance)
    if policy.locality is not None:
        regions = [{"from": each.from_, "to": each.to} for each in policy.locality.failover]
        setting = ("loadBalancer", "localityLbSetting")
        made += [((*setting, "enabled"), True), ((*setting, "failover"), regions)]
        made += [((*setting, other), None) for other in ("distribute", "failoverPriority")]
    if policy.mtls is not None:
        made.append((("tls", "mode"), _CLIENT[policy.mtls.mode]))
    return {("spec", "trafficPolicy", *path): value for path, value in made}


def _outliers(outliers: Outliers) -> list[Field]:
    here = "outlierDetection"
    return [
        ((here, "consecutive5xxErrors"), outliers.consecutive_errors),
        ((here, "interval"), spoken(outliers.interval)),
        ((here, "baseEjectionTime"), spoken(outliers.eject)),
        ((here, "maxEjectionPercent"), max(1, round(outliers.most * 100))),
    ]


def _connections(limits: Connections) -> list[Field]:
    here = "connectionPool"
    given: list[Field] = [
        ((here, "tcp", "maxConnections"), limits.max),
        ((here, "http", "http1MaxPendingRequests"), limits.pending),
        ((here, "http", "http2MaxRequests"), limits.requests),
    ]
    return [(path, value) for path, value in given if value is not None]


def _balance(balance: Balance) -> list[Field]:
    """Of a simple method and each kind of key Istio takes only one: the others are taken away."""
    here = "loadBalancer"
    if balance.method != "hash":
        return [((here, "simple"), _BALANCERS[balance.method]), ((here, "consistentHash"), None)]
    keys: dict[str, Any] = dict.fromkeys(("useSourceIp", "httpQueryParameterName"))
    keys["httpHeaderName"] = balance.header
    keys["httpCookie"] = {"name": balance.cookie, "ttl": "0s"} if balance.cookie else None
    hashed = [((here, "consistentHash", name), value) for name, value in keys.items()]
    return [((here, "simple"), None), *hashed]


def overruled(rule: Json, plan: Plan, wanted: Wanted) -> Iterator[str]:
    """What a DestinationRule says more closely than the plan's policy, and so would win."""
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
    """Where a PeerAuthentication's mode stands."""
    return {"spec": peer.setdefault("spec", {})}


def pods_fields(policy: Policy) -> Wanted:
    """Fields of a PeerAuthentication."""
    if policy.mtls is None:
        return {}
    return {("spec", "mtls", "mode"): policy.mtls.mode.upper()}


def route_roots(service: Json) -> Roots:
    """Every HTTP route of a VirtualService, by its place in words."""
    return {route.place: route.body for route in routes(service) if route.kind == "http"}


def route_fields(service: Json, plan: Plan, policy: Policy) -> Wanted:
    """Fields of the VirtualService's HTTP routes that are ours."""
    made: dict[Path, Any] = {}
    if policy.timeout is not None:
        made["timeout",] = spoken(policy.timeout)
    if policy.retries is not None:
        off = not policy.retries.attempts  # Istio refuses details of what is switched off
        each = policy.retries.per_try
        made["retries", "attempts"] = policy.retries.attempts
        made["retries", "retryOn"] = None if off else ",".join(policy.retries.causes)
        if off or each is not None:
            made["retries", "perTryTimeout"] = None if off or each is None else spoken(each)
    return {(place, *path): v for place in _ours(service, plan) for path, v in made.items()}


def _ours(service: Json, plan: Plan) -> list[str]:
    mesh, wished = destinations(plan), [*wishes(route_of(plan))]
    return [
        route.place
        for route in routes(service)
        if route.kind == "http" and leads(route, mesh)
        if not wished or any(wish.fits(route) for wish in wished)
    ]
