"""Session affinity on an Envoy: a hash of the user picks the version.

Envoy takes the hash modulo the total weight, and walks the clusters in their order. As long as the
total and the order stay, a growing canary share only adds users to the canary and takes none away.
"""

from __future__ import annotations

from rollout.errors import RouteError
from rollout.plan.model.mesh.traffic import Affinity
from rollout.route.envoy.arms import Arms
from rollout.route.envoy.modes.segment import is_planned, leads
from rollout.route.envoy.walk import forget, note, noted, tables, weight
from rollout.route.manifest import Json, key

_NOTE = "affinity"


def hold(manifest: Json, arms: Arms, affinity: Affinity) -> None:
    """Pick the version by hash on every route of ours. Raises RouteError for a conflict."""
    policy = _build_hash_policy(affinity)
    for _, host, routes in tables(manifest):
        for number, route in enumerate(routes, 1):
            if is_planned(route, arms):
                _hold(route, arms, policy, f"route {number} of virtual host {host}")


def release(manifest: Json, arms: Arms) -> None:
    """Restore what the routes had before `hold`."""
    for _, _, routes in tables(manifest):
        for route in routes:
            before = noted(route).get(_NOTE)
            if isinstance(before, dict) and leads(route, arms):
                _restore(route, before)


def _build_hash_policy(affinity: Affinity) -> list[Json]:
    """Return Envoy's hash policy for the header or the cookie of the plan."""
    if affinity.header is not None:
        return [{"header": {"header_name": affinity.header}}]
    return [{"cookie": {"name": affinity.cookie}}]


def _hold(route: Json, arms: Arms, policy: list[Json], route_name: str) -> None:
    action = route["route"]
    weighted = action[key(action, "weighted_clusters")]
    used, hashed = key(weighted, "use_hash_policy"), key(action, "hash_policy")
    if action.get(hashed, policy) != policy:
        raise RouteError(f"{route_name} has a hash policy of its own: affinity would change it")
    if key(weighted, "header_name") in weighted:
        raise RouteError(f"{route_name} lets a header draw the cluster: affinity would change it")
    if any(weight(entry) and entry.get("name") not in arms for entry in weighted["clusters"]):
        raise RouteError(f"{route_name} has a third cluster: its weights' total would not stay")
    # The note records what was there: the old flag if there was one, and a True for a hash policy
    # that the route had already (it equals ours, or we had refused above).
    before = {used: weighted[used]} if used in weighted else {}
    note(route, _NOTE, value={**before, **({hashed: True} if hashed in action else {})})
    weighted[used], action[hashed] = True, policy


def _restore(route: Json, before: Json) -> None:
    action = route["route"]
    weighted = action[key(action, "weighted_clusters")]
    used, hashed = key(weighted, "use_hash_policy"), key(action, "hash_policy")
    weighted.pop(used, None)
    if used in before:
        weighted[used] = before[used]
    if hashed not in before:
        action.pop(hashed, None)
    forget(route, _NOTE)
