"""Everything that a plan asks of its routes in a cluster: weights, a segment, mirroring.

How it works. A split has one of three modes (`Split.way`): weights for all requests, weights for a
segment's requests only, or a mirrored share. `at` first removes whatever an earlier write left
(`_strip_ours`), so that every mode starts from the routes that the users wrote, and a rollback
needs no special case. It then sets the routes' own weights, which are all at stable unless the
mode is `weights`; inserts one route for the segment before each of the plan's routes, or adds
mirrors; and records in annotations what it wrote. `split_of` reads the same things back. All
functions are pure; `patch` is the difference between the object and the result.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction

from rollout.decide.record.split import Split
from rollout.errors import RouteError
from rollout.plan.model.plan import Plan
from rollout.plan.model.traffic import Segment
from rollout.route.kube import object_annotations
from rollout.route.kube.dialect import Dialect, dialect_of, send, sent, stop
from rollout.route.manifest import Json, dicts
from rollout.route.nearest import nearest
from rollout.route.weighted_route import SEGMENT, WeightedRoute, for_segment


def patch(manifest: Json, plan: Plan, split: Split, write_id: str) -> Json:
    """Return the smallest merge patch to a split and a write id; empty if all is there.

    It first removes what an earlier mode left, and the canary's entry that an earlier patch added
    once its traffic ends; annotations record which those are. Raises RouteError, and then nothing
    moves.
    """
    return object_annotations.difference(manifest, at(manifest, plan, split, write_id))


def at(manifest: Json, plan: Plan, split: Split, write_id: str) -> Json:
    """Return the object at a split and a write id, as `patch` makes it."""
    dialect, service = dialect_of(plan), plan.spec.service
    wanted = _strip_ours(manifest, plan, back=not split.canary)
    outside = split if split.way == "weights" else Split(0, split.total)
    routes = dialect.weighted_routes(wanted, plan, back=not split.canary)
    added = object_annotations.move_all(
        routes,
        outside,
        object_annotations.places(manifest, object_annotations.ADDED + service),
    )
    if split.way == "segment":
        # A copy of the stripped object, as the next patch will see it, so that a repeated patch
        # changes nothing.
        inner = copy.deepcopy(wanted)
        within = _move_weights(dialect, inner, plan, split)
        _insert_segment_routes(dialect, wanted, routes, within, _get_segment(plan))
    if split.way == "mirror":
        _require_http_routes(dialect, wanted, routes)
        for route in routes:
            send(dialect, route, split)
    copied = [route.location for route in routes] if split.way == "mirror" else []
    object_annotations.note(wanted, object_annotations.ADDED + service, "\n".join(sorted(added)))
    object_annotations.note(wanted, object_annotations.COPIED + service, "\n".join(copied))
    object_annotations.write_down(wanted, service, split, write_id)
    return wanted


def split_of(manifest: Json, plan: Plan, total: int) -> Split:
    """Return the split that an object shows, and its mode. Raises RouteError if there is none.

    A canary's share outside the segment takes precedence: it affects all requests, so hiding it
    would understate the exposure.
    """
    dialect, service = dialect_of(plan), plan.spec.service
    plain = copy.deepcopy(manifest)
    ours = _remove_segment_routes(dialect, plain, plan)
    routes = dialect.weighted_routes(plain, plan)
    everywhere = object_annotations.split_of(
        routes, object_annotations.written(manifest, service, "weights"), total
    )
    if everywhere.canary:
        return everywhere
    if ours:
        _check_segment_routes(dialect, routes, ours, plan)
        within = object_annotations.split_of(
            ours, object_annotations.written(manifest, service, "segment"), total
        )
        return replace(within, way="segment") if within.canary else within
    return _read_mirror_split(
        dialect,
        routes,
        object_annotations.places(manifest, object_annotations.COPIED + service),
        total,
    )


def _read_mirror_split(
    dialect: Dialect, routes: Sequence[WeightedRoute], noted: set[str], total: int
) -> Split:
    """Return the split that our mirrors show. Raises RouteError where routes differ."""
    shares = {
        sum(map(dialect.share, sent(dialect, route)), Fraction(0))
        for route in routes
        if route.location in noted
    }
    if len(shares) > 1:
        shares_text = ", ".join(f"{float(share):.4%}" for share in sorted(shares))
        raise RouteError(
            f"routes disagree on the share that the canary gets a copy of: {shares_text}"
        )
    split = nearest([*shares], total)
    return replace(split, way="mirror") if split.canary else split


def _strip_ours(manifest: Json, plan: Plan, *, back: bool) -> Json:
    """Return the object without the routes and mirrors that we added."""
    dialect, plain = dialect_of(plan), copy.deepcopy(manifest)
    _remove_segment_routes(dialect, plain, plan)
    noted = object_annotations.places(manifest, object_annotations.COPIED + plan.spec.service)
    for route in dialect.weighted_routes(plain, plan, back=back):
        if route.location in noted:
            stop(dialect, route)
    return plain


def _remove_segment_routes(dialect: Dialect, manifest: Json, plan: Plan) -> list[WeightedRoute]:
    """Remove our routes for the segment from the object, and return them.

    A route for a segment is ours if it also leads to an arm: rollouts of other services may have
    theirs in the same object.
    """
    routes = dicts((manifest.get("spec") or {}).get(dialect.routes))
    named = [body for body in routes if for_segment(body)]
    ours = [route for body in named if (route := dialect.weighted_route(body, plan)).arm_entries]
    removed = [id(route.body) for route in ours]
    routes[:] = [body for body in routes if id(body) not in removed]
    return ours


def _move_weights(
    dialect: Dialect, manifest: Json, plan: Plan, split: Split
) -> list[WeightedRoute]:
    """Return the plan's routes with the weights that hold within the segment."""
    routes = dialect.weighted_routes(manifest, plan)
    object_annotations.move_all(routes, split, set())
    return routes


def _insert_segment_routes(
    dialect: Dialect,
    manifest: Json,
    weighted_routes: list[WeightedRoute],
    within: list[WeightedRoute],
    segment: Segment,
) -> None:
    """Insert a route for the segment before each of the plan's routes. Raises RouteError.

    Before it, because in Istio the first match wins. In the Gateway API the segment's match wins
    anywhere, as the more specific one.
    """
    routes = _require_http_routes(dialect, manifest, weighted_routes)
    dialect.check(routes, weighted_routes, segment)
    for route, moved in zip(weighted_routes, within, strict=True):
        (index,) = (number for number, body in enumerate(routes) if body is route.body)
        matches = _narrow_to_segment(dialect, route, segment)
        routes.insert(
            index, {**moved.body, "name": _name_segment_route(route), dialect.matches: matches}
        )


def _check_segment_routes(
    dialect: Dialect,
    routes: Sequence[WeightedRoute],
    ours: Sequence[WeightedRoute],
    plan: Plan,
) -> None:
    """Raise RouteError unless each route has a route for the segment with its own matches."""
    matches_by_name = {route.body.get("name"): route.body.get(dialect.matches) for route in ours}
    traffic = plan.spec.traffic
    segment = traffic.segment if traffic is not None else None
    for route in routes:
        expected = segment and _narrow_to_segment(dialect, route, segment)
        if _name_segment_route(route) not in matches_by_name or (
            expected and matches_by_name[_name_segment_route(route)] != expected
        ):
            raise RouteError(f"the route for the segment of {route.location} was edited")


def _narrow_to_segment(dialect: Dialect, route: WeightedRoute, segment: Segment) -> list[Json]:
    """Return a route's matches, narrowed to the segment."""
    return dialect.narrow(dicts(route.body.get(dialect.matches)), segment, route.location)


def _name_segment_route(route: WeightedRoute) -> str:
    """Return the name of the segment's route before this one."""
    return SEGMENT + str(route.body.get("name") or route.location.rpartition(" ")[2])


def _get_segment(plan: Plan) -> Segment:
    """Return the plan's segment. Raises RouteError if it has none."""
    if plan.spec.traffic is None or plan.spec.traffic.segment is None:
        raise RouteError("the plan has no segment")
    return plan.spec.traffic.segment


def _require_http_routes(
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
