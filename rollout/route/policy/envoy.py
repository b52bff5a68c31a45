"""A plan's policy as fields of a local Envoy's routes and clusters: which are ours, and values."""

from __future__ import annotations

from typing import Any

from rollout.plan.model.policy import Balance, Connections, Outliers, Policy, Retries
from rollout.route.manifest import Json, dicts, key
from rollout.route.policy.owned import Ownership, Path, Roots, Wanted, spoken

_BALANCERS = {"roundRobin": "ROUND_ROBIN", "leastRequest": "LEAST_REQUEST", "hash": "RING_HASH"}


def route_fields(routes: Roots, names: set[str], policy: Policy | None) -> Wanted:
    """Fields of the routes, by their place, that have weights for one of these clusters."""
    if policy is None:
        return {}
    made: dict[Path, Any] = {}
    if policy.timeout is not None:
        made["timeout",] = spoken(policy.timeout)
    if policy.retries is not None:
        made |= _retries(policy.retries)
    if policy.balance is not None and policy.balance.method == "hash":
        made["hash_policy",] = [_hashed(policy.balance)]
    ours = [place for place, action in routes.items() if _leads(action, names)]
    return {(place, *path): value for place in ours for path, value in made.items()}


def _retries(retries: Retries) -> dict[Path, Any]:
    here = "retry_policy"
    if not retries.attempts:
        return {(here,): None}
    made: dict[Path, Any] = {
        (here, "retry_on"): ",".join(retries.causes),
        (here, "num_retries"): retries.attempts,
    }
    if retries.per_try is not None:
        made[here, "per_try_timeout"] = spoken(retries.per_try)
    return made


def _hashed(balance: Balance) -> Json:
    if balance.header is not None:
        return {"header": {"header_name": balance.header}}
    return {"cookie": {"name": balance.cookie}}


def cluster_fields(cluster: Json, kept: Ownership, policy: Policy, *, canary: bool) -> Wanted:
    """Fields of one arm's cluster; `kept` says what was there before."""
    made: dict[Path, Any] = {}
    net = canary and bool(policy.fallback)
    outliers = policy.outliers or (Outliers() if net else None)
    if outliers is not None:
        made |= _outliers(outliers, whole=net)
    if net:
        made["common_lb_config", "healthy_panic_threshold"] = {"value": 0}
    budget = policy.retries.budget if policy.retries else None
    if policy.connections is not None or budget is not None:
        there = _thresholds_of(cluster, kept)
        made["circuit_breakers", "thresholds"] = _thresholds(there, policy.connections, budget)
    if policy.balance is not None:
        made["lb_policy",] = _BALANCERS[policy.balance.method]
        made["load_balancing_policy",] = None  # the newer field, which would win
    return {(str(cluster.get("name")), *path): value for path, value in made.items()}


def _outliers(outliers: Outliers, *, whole: bool) -> dict[Path, Any]:
    here = "outlier_detection"
    return {
        (here, "consecutive_5xx"): outliers.consecutive_errors,
        (here, "interval"): spoken(outliers.interval),
        (here, "base_ejection_time"): spoken(outliers.eject),
        (here, "max_ejection_percent"): 100 if whole else max(1, round(outliers.most * 100)),
    }


def _thresholds_of(cluster: Json, kept: Ownership) -> list[Json]:
    """The limits that were there before ours."""
    path = (str(cluster.get("name")), "circuit_breakers", "thresholds")
    breakers = cluster.get(key(cluster, "circuit_breakers")) or {}
    was, _ = kept.fields.get(path, (breakers.get("thresholds"), None))
    return dicts(was)


def _thresholds(there: list[Json], limits: Connections | None, budget: float | None) -> list[Json]:
    """The limits of requests without a priority; those of high priority stay as they are."""
    others = [each for each in there if each.get("priority", "DEFAULT") != "DEFAULT"]
    before = next((each for each in there if each not in others), {})
    made = {"priority": "DEFAULT", **before, "track_remaining": True}
    if limits is not None:
        named = {"connections": limits.max, "pending_requests": limits.pending}
        named["requests"] = limits.requests
        made |= {f"max_{name}": value for name, value in named.items() if value is not None}
    if budget is not None:
        made["retry_budget"] = {"budget_percent": {"value": round(budget * 100, 2)}}
    return [made, *others]


def _leads(action: Json, names: set[str]) -> bool:
    weighted = action.get(key(action, "weighted_clusters")) or {}
    return any(entry.get("name") in names for entry in dicts(weighted.get("clusters")))
