"""Routes of our own in Envoy's file: one before each of the plan's, for its segment only."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

from rollout.errors import RouteError
from rollout.plan.model.traffic import Segment
from rollout.route import matching
from rollout.route.envoy.walk import OURS, noted, tables
from rollout.route.envoy.weights import Arms
from rollout.route.manifest import Json, dicts, key


def note(route: Json, what: str, *, value: Any) -> None:
    """Write one thing about a route."""
    metadata = route.setdefault("metadata", {})
    ours = metadata.setdefault(key(metadata, "filter_metadata"), {}).setdefault(OURS, {})
    ours[what] = value


def forget(route: Json) -> None:
    """Take away what we wrote about a route, and what is empty without it."""
    metadata = route.get("metadata") or {}
    kept = metadata.get(field := key(metadata, "filter_metadata")) or {}
    if kept.pop(OURS, None) is None:
        return
    if not kept:
        del metadata[field]
    if not metadata:
        del route["metadata"]


def leads(route: Json, arms: Arms) -> bool:
    """Whether a route has weights for one of our clusters."""
    action = route.get("route") or {}
    weighted = action.get(key(action, "weighted_clusters")) or {}
    return any(entry.get("name") in arms for entry in dicts(weighted.get("clusters")))


def is_ours(route: Json, arms: Arms) -> bool:
    """Whether a route is one that we put there for a segment."""
    return bool(noted(route).get("segment")) and leads(route, arms)


def only(manifest: Json, wanted: Callable[[Json], bool]) -> Json:
    """The manifest with no other routes than the wanted."""
    kept = copy.deepcopy(manifest)
    for _, _, routes in tables(kept):
        routes[:] = [route for route in routes if wanted(route)]
    return kept


def joined(stable: Json, canary: Json, arms: Arms, segment: Segment) -> Json:
    """The `stable` manifest with a route from `canary` before each of ours, for the segment.

    Both have the same routes in the same order, and differ in their weights only.
    """
    made = copy.deepcopy(stable)
    for (_, _, routes), (_, _, others) in zip(tables(made), tables(canary), strict=True):
        for place in reversed(range(len(routes))):
            if leads(others[place], arms):
                routes.insert(place, _narrowed(others[place], segment))
    return made


def check(manifest: Json, arms: Arms, segment: Segment | None) -> None:
    """Raise RouteError unless our routes stand before the plan's and match what these match."""
    for _, host, routes in tables(manifest):
        held: Json | None = None
        for number, route in enumerate(routes, 1):
            if is_ours(route, arms):
                held = route
            elif leads(route, arms):
                wanted = segment and _narrowed(route, segment)
                if held is None or (wanted and wanted.get("match") != held.get("match")):
                    raise RouteError(
                        f"route {number} of virtual host {host}: the route for the segment before "
                        "it was edited"
                    )
                held = None


def _narrowed(route: Json, segment: Segment) -> Json:
    made = copy.deepcopy(route)
    matching.envoy(made.setdefault("match", {}), segment)
    note(made, "segment", value=True)
    return made
