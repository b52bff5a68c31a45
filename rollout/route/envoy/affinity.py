"""The same user to the same version on an Envoy: the version is drawn by a hash of who asks.

Envoy takes the hash modulo the weights' total, in the order of the clusters. As long as the total
stays and nobody moves the canary in the list, a growing share only adds users to it.
"""

from __future__ import annotations

from rollout.errors import RouteError
from rollout.plan.model.traffic import Affinity
from rollout.route.envoy.segment import forget, leads, note
from rollout.route.envoy.walk import noted, tables, weight
from rollout.route.envoy.weights import Arms
from rollout.route.manifest import Json, key

_NOTE = "affinity"


def hold(manifest: Json, arms: Arms, affinity: Affinity) -> None:
    """Draw by the user's hash on every route of ours. Raises RouteError for one with its own."""
    policy = _policy(affinity)
    for _, host, routes in tables(manifest):
        for number, route in enumerate(routes, 1):
            if leads(route, arms):
                _hold(route, arms, policy, f"route {number} of virtual host {host}")


def release(manifest: Json, arms: Arms) -> None:
    """Put back what was there before."""
    for _, _, routes in tables(manifest):
        for route in routes:
            before = noted(route).get(_NOTE)
            if isinstance(before, dict) and leads(route, arms):
                _put_back(route, before)


def _policy(affinity: Affinity) -> list[Json]:
    if affinity.header is not None:
        return [{"header": {"header_name": affinity.header}}]
    return [{"cookie": {"name": affinity.cookie}}]


def _hold(route: Json, arms: Arms, policy: list[Json], place: str) -> None:
    action = route["route"]
    weighted = action[key(action, "weighted_clusters")]
    used, hashed = key(weighted, "use_hash_policy"), key(action, "hash_policy")
    if action.get(hashed, policy) != policy:
        raise RouteError(f"{place} has a hash policy of its own: affinity would change it")
    if key(weighted, "header_name") in weighted:
        raise RouteError(f"{place} lets a header draw the cluster: affinity would change it")
    if any(weight(entry) and entry.get("name") not in arms for entry in weighted["clusters"]):
        raise RouteError(f"{place} has a third cluster: its weights' total would not stay")
    before = {used: weighted[used]} if used in weighted else {}
    note(route, _NOTE, value={**before, **({hashed: True} if hashed in action else {})})
    weighted[used], action[hashed] = True, policy


def _put_back(route: Json, before: Json) -> None:
    action = route["route"]
    weighted = action[key(action, "weighted_clusters")]
    used, hashed = key(weighted, "use_hash_policy"), key(action, "hash_policy")
    weighted.pop(used, None)
    if used in before:
        weighted[used] = before[used]
    if hashed not in before:
        action.pop(hashed, None)
    forget(route)
