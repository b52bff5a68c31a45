"""Routes that we add to Envoy's file: one before each of the plan's routes, for its segment."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from rollout.answers.json_text import copy_json
from rollout.errors import RouteError
from rollout.plan.model.mesh.traffic import Segment
from rollout.route import matching
from rollout.route.envoy.arms import Arms
from rollout.route.envoy.walk import note, noted, tables
from rollout.route.manifest import Json, dicts, key


def leads(route: Json, arms: Arms) -> bool:
    """Return whether a route has weights for one of our clusters."""
    action = route.get("route") or {}
    weighted = action.get(key(action, "weighted_clusters")) or {}
    return any(entry.get("name") in arms for entry in dicts(weighted.get("clusters")))


def is_planned(route: Json, arms: Arms) -> bool:
    """Return whether a route has weights that lead to stable: others are pins or strays."""
    return leads(route, replace(arms, canary=arms.stable))


def is_ours(route: Json, arms: Arms) -> bool:
    """Return whether a route is one that we added for a segment, wherever it leads by now.

    Our note names the canary, so that rollouts of several services can share a file. One of an
    older version does not: then the route has to lead to an arm.
    """
    canary = noted(route).get("segment")
    is_leading = (route.get("route") or {}).get("cluster") in arms or leads(route, arms)
    return canary == arms.canary or (canary is True and is_leading)


def only(manifest: Json, wanted: Callable[[Json], bool]) -> Json:
    """Return the manifest with the wanted routes only."""
    filtered = copy_json(manifest)
    for _, _, routes in tables(filtered):
        routes[:] = [route for route in routes if wanted(route)]
    return filtered


def joined(stable: Json, canary: Json, arms: Arms, segment: Segment) -> Json:
    """Return `stable` with a route from `canary` before each of ours, for the segment.

    Both manifests have the same routes in the same order and differ in their weights only.
    """
    combined = copy_json(stable)
    for (_, _, routes), (_, _, others) in zip(tables(combined), tables(canary), strict=True):
        # Backwards, so that an insertion does not shift the routes that are still to come.
        for index in reversed(range(len(routes))):
            if is_planned(others[index], arms):
                routes.insert(index, _narrow_to_segment(others[index], segment, arms))
    return combined


def check(manifest: Json, arms: Arms, segment: Segment | None) -> None:
    """Raise RouteError unless each of the plan's routes follows ours for its segment, unedited."""
    for _, host, routes in tables(manifest):
        segment_route: Json | None = None
        for number, route in enumerate(routes, 1):
            if is_ours(route, arms):
                segment_route = route
            elif is_planned(route, arms):
                wanted = segment and _narrow_to_segment(route, segment, arms)
                if segment_route is None or (
                    wanted and wanted.get("match") != segment_route.get("match")
                ):
                    raise RouteError(
                        f"route {number} of virtual host {host}: the route for the segment before "
                        "it was edited"
                    )
                segment_route = None


def _narrow_to_segment(route: Json, segment: Segment, arms: Arms) -> Json:
    narrowed = copy_json(route)
    matching.envoy(narrowed.setdefault("match", {}), segment)
    note(narrowed, "segment", value=arms.canary)
    return narrowed
