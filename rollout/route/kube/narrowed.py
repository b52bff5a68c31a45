"""Routes that take exactly the plan's segment of another route's requests, whoever made them."""

from __future__ import annotations

from collections.abc import Sequence

from rollout.errors import RouteError
from rollout.plan.model.mesh.traffic import Segment
from rollout.plan.model.plan import Plan
from rollout.route.content import Noted, fingerprint, list_matches, note_routes
from rollout.route.kube.dialect import Dialect
from rollout.route.weighted_route import WeightedRoute


def note_narrowed(dialect: Dialect, routes: Sequence[WeightedRoute], plan: Plan) -> Noted:
    """Return the notes of routes that take exactly the segment's requests of another one."""
    return Noted(
        tuple(
            note
            for route in find_narrowed(dialect, routes, plan)
            for note in note_routes([route], more=fingerprint(route, is_whole=True)).routes
        )
    )


def find_narrowed(
    dialect: Dialect, routes: Sequence[WeightedRoute], plan: Plan
) -> list[WeightedRoute]:
    """Return the routes that have another route's matches, narrowed to the plan's segment."""
    segment = plan.spec.traffic.segment if plan.spec.traffic else None
    if segment is None:
        return []
    return [
        route
        for route in routes
        if any(
            other is not route and _is_narrowed(dialect, route, other, segment) for other in routes
        )
    ]


def _is_narrowed(
    dialect: Dialect, route: WeightedRoute, other: WeightedRoute, segment: Segment
) -> bool:
    """Return whether a route takes exactly the segment's requests of another one."""
    try:
        narrowed = dialect.narrow(list_matches(other.body), segment, other.location)
    except RouteError:
        return False
    return list_matches(route.body) == narrowed != list_matches(other.body)
