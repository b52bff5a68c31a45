"""Which routes of an Envoy a rollout moves, and which it leaves alone.

The plan's routes are those with weights that lead to stable. A route that leads to the canary
alone, by weights or as its only cluster, is somebody's pin if it did so before our first write,
and else a stray, which a rollback moves. Pins are known by content: virtual host, match, clusters.
"""

from __future__ import annotations

from dataclasses import dataclass

from rollout.route.before import Before, note_lacking, note_weights
from rollout.route.content import Noted, note_routes
from rollout.route.envoy.walk import Weighted, every_single, every_weighted, weight
from rollout.route.manifest import Json
from rollout.route.weighted_route import Arm, Mesh, WeightedRoute


@dataclass(frozen=True)
class LeadingRoutes:
    """The routes that lead to an arm: the plan's, pins, and strays."""

    planned: tuple[Weighted, ...]
    pinned: tuple[Weighted, ...]
    strays: tuple[Weighted, ...]


def find_routes(manifest: Json, mesh: Mesh, before: tuple[str, ...] | None) -> LeadingRoutes:
    """Return the routes that lead to an arm.

    `before` lists what led to the canary before our first write; None is before it, and then
    nothing is a stray. Where no route leads to stable, the plan's are those with weights for the
    canary: a reader must see that all traffic is there. Raises RouteError.
    """
    pins = Before.parse("\n".join(before or ())).giving
    weighted = [route for route in every_weighted(manifest) if _leads(route, mesh)]
    planned = [route for route in weighted if _leads(route, mesh, mesh.arms[0])]
    planned = planned or [route for route in weighted if not _is_noted(route, mesh, pins)]
    moved = {id(route.field) for route in planned}
    others = [
        route
        for route in (*weighted, *every_single(manifest))
        if id(route.field) not in moved and _gives(route, mesh)
    ]
    judged = [(route, before is None or _is_noted(route, mesh, pins)) for route in others]
    pinned = tuple(route for route, is_pin in judged if is_pin)
    strays = tuple(route for route, is_pin in judged if not is_pin)
    return LeadingRoutes(tuple(planned), pinned, strays)


def gives_canary(manifest: Json, mesh: Mesh, before: tuple[str, ...] | None) -> bool:
    """Return whether a route that is no pin gives the canary traffic. Raises RouteError."""
    leading = find_routes(manifest, mesh, before)
    return any(_gives(route, mesh) for route in (*leading.planned, *leading.strays))


def find_before(manifest: Json, dump: Json, mesh: Mesh) -> Before:
    """Return what leads to the canary beside the plan's routes of a file, and what those have.

    Pins from Envoy's dump as well, which spells a match its own way. Raises RouteError.
    """
    own = find_routes(manifest, mesh, None)
    pinned = (*own.pinned, *find_routes(dump, mesh, None).pinned)
    planned = [as_weighted_route(route, mesh) for route in own.planned]
    return Before(
        giving=note_routes(as_weighted_route(route, mesh) for route in pinned),
        lacking=note_lacking(planned),
        weights=note_weights(planned),
    )


def as_weighted_route(route: Weighted, mesh: Mesh) -> WeightedRoute:
    """Return a route whose body has what it is known by: its virtual host and its match."""
    body = {"match": [route.location.partition(" of ")[2], route.match]}
    return WeightedRoute(route.location, route.clusters, mesh, body)


def _is_noted(route: Weighted, mesh: Mesh, pins: Noted) -> bool:
    return pins.same(as_weighted_route(route, mesh)) is not None


def _leads(route: Weighted, mesh: Mesh, arm: Arm | None = None) -> bool:
    """Return whether a route leads to an arm, or to this one."""
    arms = [mesh.arm_of(entry) for entry in route.clusters]
    return arm in arms if arm else any(arms)


def _gives(route: Weighted, mesh: Mesh) -> bool:
    """Return whether a route gives the canary traffic."""
    canary = mesh.arms[1]
    return any(weight(entry) > 0 for entry in route.clusters if mesh.arm_of(entry) == canary)
