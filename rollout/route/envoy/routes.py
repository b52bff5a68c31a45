"""Which routes of an Envoy a rollout moves, and which it leaves alone.

The plan's routes are those with weights that lead to stable. A route that leads to the canary
alone, by weights or as its only cluster, is somebody's pin if it did so before our first write,
and else a stray, which a rollback moves. Pins are known by content: configuration, virtual host,
match, clusters; configuration and host by the names under which they are recorded (`names`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from rollout.route.before import Before, note_configs, note_lacking, note_weights
from rollout.route.content import note_routes
from rollout.route.envoy.names import RecordedNames, find_names, note_hosts
from rollout.route.envoy.walk import (
    HOST,
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
    planned = [as_recorded(route, mesh, names) for route in own.planned]
    return Before(
        giving=note_routes(as_weighted_route(r, mesh, config=r.config) for r in pinned),
        lacking=note_lacking(planned),
        weights=note_weights(planned),
        configs=note_configs(sorted(list_configs(manifest))),
        hosts=note_hosts(manifest),
    )


def as_weighted_route(
    route: Weighted, mesh: Mesh, names: RecordedNames | None = None, config: str = ""
) -> WeightedRoute:
    """Return a route whose body has what it is known by: virtual host and match.

    And, where one is given, the name of its configuration. With `names` the host has its recorded
    one.
    """
    known_by = [config] if config else []
    host = route.location.partition(HOST)[2]
    host = names.name_host(route.config, host) if names else host
    body = {"match": [*known_by, f"virtual host {host}", route.match]}
    return WeightedRoute(route.location, route.clusters, mesh, body)


def as_recorded(route: Weighted, mesh: Mesh, names: RecordedNames) -> WeightedRoute:
    """Return a route as it is recorded, whatever its configuration and host are called by now."""
    return as_weighted_route(route, mesh, names, names.name_config(route.config))


def _find_pins(
    manifest: Json, mesh: Mesh, before: tuple[str, ...] | None
) -> Callable[[Weighted], bool]:
    """Return what tells whether a route led to the canary before our first write.

    Or since then by the rollout of another service.
    """
    record, names = Before.parse("\n".join(before or ())), find_names(manifest, before)
    every = {id(route.field): route for route in every_weighted(manifest)}
    as_noted = {key: as_recorded(route, mesh, names) for key, route in every.items()}
    moved = record.find_moved_by_others([*as_noted.values()])

    def is_pin(route: Weighted) -> bool:
        recorded = names.name_config(route.config)
        known_as = {recorded, route.config} if recorded else {""}
        spelled = [as_weighted_route(route, mesh, names, name) for name in known_as]
        is_others = id(route.field) in as_noted and id(as_noted[id(route.field)].body) in moved
        return is_others or any(map(record.giving.same, spelled))

    return is_pin


def _leads(route: Weighted, mesh: Mesh, arm: Arm | None = None) -> bool:
    """Return whether a route leads to an arm, or to this one."""
    arms = [mesh.arm_of(entry) for entry in route.clusters]
    return arm in arms if arm else any(arms)


def _gives(route: Weighted, mesh: Mesh) -> bool:
    """Return whether a route gives the canary traffic."""
    canary = mesh.arms[1]
    return any(weight(entry) > 0 for entry in route.clusters if mesh.arm_of(entry) == canary)
