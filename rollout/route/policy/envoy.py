"""A plan's policy as fields of a local Envoy's routes and clusters."""

from __future__ import annotations

from typing import Any

from rollout.plan.model.mesh.policy import Balance, Connections, Outliers, Policy, Retries
from rollout.route.manifest import Json, dicts, key
from rollout.route.policy.owned import Ownership, Path, Roots, Wanted, spoken

_BALANCERS = {"roundRobin": "ROUND_ROBIN", "leastRequest": "LEAST_REQUEST", "hash": "RING_HASH"}


def route_fields(routes: Roots, names: set[str], policy: Policy | None) -> Wanted:
    """Return the wanted fields of each route that has weights for one of these clusters."""
    if policy is None:
        return {}
    ours = [route_name for route_name, action in routes.items() if _leads_to_any(action, names)]
    fields = action_fields(policy)
    return {(route_name, *path): value for route_name in ours for path, value in fields.items()}


def action_fields(policy: Policy) -> dict[Path, Any]:
    """Return the wanted fields of one route's action."""
    fields: dict[Path, Any] = {}
    if policy.timeout is not None:
        fields["timeout",] = spoken(policy.timeout)
    if policy.retries is not None:
        fields |= _build_retry_fields(policy.retries)
    if policy.balance is not None and policy.balance.method == "hash":
        fields["hash_policy",] = [_build_hash_policy(policy.balance)]
    return fields


def _build_retry_fields(retries: Retries) -> dict[Path, Any]:
    """Return the fields of a retry policy; zero attempts remove the route's own."""
    field = "retry_policy"
    if not retries.attempts:
        return {(field,): None}
    fields: dict[Path, Any] = {
        (field, "retry_on"): ",".join(retries.causes),
        (field, "num_retries"): retries.attempts,
    }
    if retries.per_try is not None:
        fields[field, "per_try_timeout"] = spoken(retries.per_try)
    if retries.backoff is not None:
        fields[field, "retry_back_off", "base_interval"] = spoken(retries.backoff)
    return fields


def _build_hash_policy(balance: Balance) -> Json:
    """Return Envoy's hash policy for the header or the cookie of the plan."""
    if balance.header is not None:
        return {"header": {"header_name": balance.header}}
    return {"cookie": {"name": balance.cookie}}


def cluster_fields(cluster: Json, ownership: Ownership, policy: Policy, *, canary: bool) -> Wanted:
    """Return the wanted fields of one arm's cluster.

    `ownership` tells what was there before ours: limits are merged into the earlier ones.
    """
    fields: dict[Path, Any] = {}
    net = canary and bool(policy.fallback)
    outliers = policy.outliers or (Outliers() if net else None)
    if outliers is not None:
        fields |= _build_outlier_fields(outliers, whole=net)
    if net:
        # In panic mode Envoy would send requests to unhealthy endpoints and never fall back.
        fields["common_lb_config", "healthy_panic_threshold"] = {"value": 0}
    budget = policy.retries.budget if policy.retries else None
    if policy.connections is not None or budget is not None:
        earlier = _read_earlier_thresholds(cluster, ownership)
        fields["circuit_breakers", "thresholds"] = _merge_thresholds(
            earlier, policy.connections, budget
        )
    if policy.balance is not None:
        fields["lb_policy",] = _BALANCERS[policy.balance.method]
        fields["load_balancing_policy",] = None  # the newer field takes precedence over `lb_policy`
    return {(str(cluster.get("name")), *path): value for path, value in fields.items()}


def _build_outlier_fields(outliers: Outliers, *, whole: bool) -> dict[Path, Any]:
    """Return the fields of outlier detection.

    With `whole` all endpoints may be ejected: the safety net then answers instead.
    """
    here = "outlier_detection"
    return {
        (here, "consecutive_5xx"): outliers.consecutive_errors,
        (here, "interval"): spoken(outliers.interval),
        (here, "base_ejection_time"): spoken(outliers.eject),
        (here, "max_ejection_percent"): 100 if whole else max(1, round(outliers.most * 100)),
    }


def _read_earlier_thresholds(cluster: Json, ownership: Ownership) -> list[Json]:
    """Return the cluster's limits as they were before ours."""
    path = (str(cluster.get("name")), "circuit_breakers", "thresholds")
    breakers = cluster.get(key(cluster, "circuit_breakers")) or {}
    was, _ = ownership.fields.get(path, (breakers.get("thresholds"), None))
    return dicts(was)


def _merge_thresholds(
    earlier: list[Json], limits: Connections | None, budget: float | None
) -> list[Json]:
    """Return the cluster's limits with ours for requests of default priority.

    Limits of high priority stay as they are.
    """
    others = [
        threshold for threshold in earlier if threshold.get("priority", "DEFAULT") != "DEFAULT"
    ]
    before = next((threshold for threshold in earlier if threshold not in others), {})
    limit = {"priority": "DEFAULT", **before, "track_remaining": True}
    if limits is not None:
        named = {"connections": limits.max, "pending_requests": limits.pending}
        named["requests"] = limits.requests
        limit |= {f"max_{name}": value for name, value in named.items() if value is not None}
    if budget is not None:
        limit["retry_budget"] = {"budget_percent": {"value": round(budget * 100, 2)}}
    return [limit, *others]


def _leads_to_any(action: Json, names: set[str]) -> bool:
    """Return whether a route's action has weights for one of these clusters."""
    weighted = action.get(key(action, "weighted_clusters")) or {}
    return any(entry.get("name") in names for entry in dicts(weighted.get("clusters")))
