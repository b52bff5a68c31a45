"""Which routes of an Envoy a rollout moves, and which it leaves alone.

The plan's routes are those with weights that lead to stable. A route that leads to the canary
alone, by weights or as its only cluster, is somebody's pin if it did so before our first write,
and else a stray, which a rollback moves. Pins are known by content: configuration, virtual host,
match, clusters. Envoy asks for a configuration by its name, so a record says which those are, and
one that somebody renamed since is the one that the file lacks.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from rollout.route.before import Before, note_configs, note_lacking, note_weights
from rollout.route.content import note_routes
from rollout.route.envoy.walk import (
    Weighted,
    every_single,
    every_weighted,
    list_configs,
    weight,
)
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
    is_pin = _find_pins(manifest, mesh, before)
    weighted = [route for route in every_weighted(manifest) if _leads(route, mesh)]
    planned = [route for route in weighted if _leads(route, mesh, mesh.arms[0])]
    planned = planned or [route for route in weighted if not is_pin(route)]
    moved = {id(route.field) for route in planned}
    others = [
        route
        for route in (*weighted, *every_single(manifest))
        if id(route.field) not in moved and _gives(route, mesh)
    ]
    pinned = tuple(route for route in others if before is None or is_pin(route))
    strays = tuple(route for route in others if before is not None and not is_pin(route))
    return LeadingRoutes(tuple(planned), pinned, strays)


def gives_canary(manifest: Json, mesh: Mesh, before: tuple[str, ...] | None) -> bool:
    """Return whether a route that is no pin gives the canary traffic. Raises RouteError."""
    leading = find_routes(manifest, mesh, before)
    return any(_gives(route, mesh) for route in (*leading.planned, *leading.strays))


def find_before(
    manifest: Json, dump: Json, mesh: Mesh, before: tuple[str, ...] | None = None
) -> Before:
    """Return what leads to the canary beside the plan's routes of a file, and what those have.

    Pins from Envoy's dump as well, which spells a match its own way. A later record has the names
    of the one `before`. Raises RouteError.
    """
    own, names = find_routes(manifest, mesh, None), find_names(manifest, before)
    pinned = (*own.pinned, *find_routes(dump, mesh, None).pinned)
    planned = [as_weighted_route(route, mesh, names[route.config]) for route in own.planned]
    return Before(
        giving=note_routes(as_weighted_route(route, mesh, route.config) for route in pinned),
        lacking=note_lacking(planned),
        weights=note_weights(planned),
        configs=note_configs(sorted(list_configs(manifest))),
    )


def find_names(manifest: Json, before: tuple[str, ...] | None) -> Mapping[str, str]:
    """Return under which name each configuration of a manifest is recorded.

    That is its own, before our first write too. One that somebody renamed since has the name of
    the recorded one that is missing, and in records of an older version none has a name.
    """
    present = list_configs(manifest)
    if before is None:
        return {name: name for name in present}
    recorded = Before.parse("\n".join(before)).config_names
    missing = [name for name in recorded if name not in present]
    if not recorded:
        return dict.fromkeys(present, "")
    return {
        name: missing[0] if missing and name not in recorded else name for name in sorted(present)
    }


def as_weighted_route(route: Weighted, mesh: Mesh, config: str = "") -> WeightedRoute:
    """Return a route whose body has what it is known by: virtual host and match.

    And, where one is given, the name under which its configuration is recorded.
    """
    known_by = [config] if config else []
    body = {"match": [*known_by, route.location.partition(" of ")[2], route.match]}
    return WeightedRoute(route.location, route.clusters, mesh, body)


def _find_pins(
    manifest: Json, mesh: Mesh, before: tuple[str, ...] | None
) -> Callable[[Weighted], bool]:
    """Return what tells whether a route led to the canary before our first write."""
    pins, names = Before.parse("\n".join(before or ())).giving, find_names(manifest, before)

    def is_pin(route: Weighted) -> bool:
        known_as = {names[route.config], route.config} if names[route.config] else {""}
        return any(pins.same(as_weighted_route(route, mesh, name)) for name in known_as)

    return is_pin


def _leads(route: Weighted, mesh: Mesh, arm: Arm | None = None) -> bool:
    """Return whether a route leads to an arm, or to this one."""
    arms = [mesh.arm_of(entry) for entry in route.clusters]
    return arm in arms if arm else any(arms)


def _gives(route: Weighted, mesh: Mesh) -> bool:
    """Return whether a route gives the canary traffic."""
    canary = mesh.arms[1]
    return any(weight(entry) > 0 for entry in route.clusters if mesh.arm_of(entry) == canary)
