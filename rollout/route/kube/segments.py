"""The routes that we insert for a segment: find them by content, insert and check them."""

from __future__ import annotations

from collections.abc import Sequence

from rollout.errors import RouteError
from rollout.plan.model.mesh.traffic import Segment
from rollout.plan.model.plan import Plan
from rollout.route.content import list_matches
from rollout.route.kube.dialect import Dialect
from rollout.route.kube.narrowed import find_narrowed
from rollout.route.kube.ours import Ours
from rollout.route.manifest import Json, dicts
from rollout.route.weighted_route import SEGMENT, WeightedRoute, for_segment


def remove_segment_routes(
    dialect: Dialect, manifest: Json, plan: Plan, ours: Ours
) -> list[WeightedRoute]:
    """Remove our routes for the segment from the object, and return them.

    A route for a segment is ours if it also leads to an arm: rollouts of other services may have
    theirs in the same object. One that somebody renamed is known by its matches.
    """
    routes = dicts((manifest.get("spec") or {}).get(dialect.routes))
    bodies = {id(body) for body in routes}
    leading = [
        route
        for route in dialect.every_route(manifest, plan)
        if id(route.body) in bodies and route.arm_entries and not ours.is_foreign(route)
    ]
    removed = [route for route in leading if for_segment(route.body)]
    if ours.is_begun and ours.mode in {"segment", ""}:
        removed += _find_renamed(dialect, leading, plan, ours)
    gone = [id(route.body) for route in removed]
    routes[:] = [body for body in routes if id(body) not in gone]
    return removed


def _find_renamed(
    dialect: Dialect, leading: Sequence[WeightedRoute], plan: Plan, ours: Ours
) -> list[WeightedRoute]:
    """Return the routes for the segment that were not there before our first write."""
    unnamed = [route for route in leading if not for_segment(route.body)]
    narrowed = find_narrowed(dialect, unnamed, plan)
    own = ours.before.narrowed.assign(narrowed)
    return [
        route
        for route in narrowed
        if id(route.body) not in own and not ours.before.giving.same(route)
    ]


def insert_segment_routes(
    dialect: Dialect,
    manifest: Json,
    weighted_routes: list[WeightedRoute],
    within: list[WeightedRoute],
    segment: Segment,
) -> list[WeightedRoute]:
    """Insert a route for the segment before each of the plan's routes, and return them.

    Before it, because in Istio the first match wins. In the Gateway API the segment's match wins
    anywhere, as the more specific one. Raises RouteError.
    """
    routes = require_http_routes(dialect, manifest, weighted_routes)
    dialect.check(routes, weighted_routes, segment)
    inserted = []
    for route, moved in zip(weighted_routes, within, strict=True):
        (index,) = (number for number, body in enumerate(routes) if body is route.body)
        matches = _narrow(dialect, route, segment)
        body = {**moved.body, "name": _name_segment_route(route), dialect.matches: matches}
        routes.insert(index, body)
        inserted.append(WeightedRoute(route.location, moved.entries, route.mesh, body))
    return inserted


def check_segment_routes(
    dialect: Dialect,
    routes: Sequence[WeightedRoute],
    ours: Sequence[WeightedRoute],
    segment: Segment | None,
) -> None:
    """Raise RouteError unless each route has a route for the segment with its own matches."""
    matches = [list_matches(route.body) for route in ours]
    for route in routes:
        if segment is not None and _narrow(dialect, route, segment) not in matches:
            raise RouteError(f"the route for the segment of {route.location} was edited")


def require_http_routes(
    dialect: Dialect, manifest: Json, weighted_routes: Sequence[WeightedRoute]
) -> list[Json]:
    """Return the object's list of HTTP routes. Raises RouteError for a route outside it.

    TCP and TLS routes see connections and no requests: they can neither match nor mirror them.
    """
    routes = dicts((manifest.get("spec") or {}).get(dialect.routes))
    http_routes = [id(body) for body in routes]
    for route in weighted_routes:
        if id(route.body) not in http_routes:
            raise RouteError(f"{route.location} sees no requests: name the HTTP routes in the plan")
    return routes


def _narrow(dialect: Dialect, route: WeightedRoute, segment: Segment) -> list[Json]:
    """Return a route's matches, narrowed to the segment."""
    return dialect.narrow(list_matches(route.body), segment, route.location)


def _name_segment_route(route: WeightedRoute) -> str:
    """Return the name of the segment's route before this one."""
    return SEGMENT + str(route.body.get("name") or route.location.rpartition(" ")[2])
