"""Read back from an object what it gives the canary, by any route and in any mode."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

from rollout.answers.json_text import copy_json
from rollout.decide.record.split import Split
from rollout.errors import RouteError
from rollout.plan.fields.units import percent
from rollout.plan.model.plan import Plan
from rollout.route.before import list_unrecorded
from rollout.route.kube import object_annotations
from rollout.route.kube.dialect import Dialect, dialect_of, sent
from rollout.route.kube.ours import Ours, find_before, is_giving, read_ours
from rollout.route.kube.segments import check_segment_routes, remove_segment_routes
from rollout.route.manifest import Json
from rollout.route.nearest import nearest
from rollout.route.shares import read_together
from rollout.route.weighted_route import WeightedRoute


@dataclass(frozen=True)
class Exposure:
    """Which routes give the canary traffic, beside the plan's: pins of before, and strays.

    A pin did so before our first write and stays; a stray did not, and a rollback moves it.
    `leading` is the record of what is not ours, by content; see `Before`. `lacking` are the plan's
    routes without the canary that are not in a record yet.
    """

    pinned: tuple[str, ...]
    strays: tuple[str, ...]
    leading: tuple[str, ...]
    lacking: tuple[str, ...]


def split_of(
    manifest: Json, plan: Plan, total: int, before: tuple[str, ...] | None = None
) -> Split:
    """Return the split that an object shows, and its mode. Raises RouteError if there is none.

    A canary's share outside the segment takes precedence: it affects all requests, so hiding it
    would understate the exposure. Once a rollout gave the canary something here, a route that is
    gone or renamed is no error, and all is read that it may have left behind.
    """
    dialect, plain = dialect_of(plan), copy_json(manifest)
    ours = read_ours(manifest, plan, before=before)
    segments = remove_segment_routes(dialect, plain, plan, ours)
    routes, strays = _read_routes(dialect, plain, plan, ours)
    given = nearest(max((route.shares() for route in strays), default=()), total)
    everywhere = _read_weights(routes, manifest, plan, total, ours) if routes else given
    if everywhere.canary:
        return everywhere
    if segments:
        if routes:
            segment = plan.spec.traffic.segment if plan.spec.traffic else None
            check_segment_routes(dialect, routes, segments, segment)
        written = object_annotations.written(manifest, plan.spec.service, "segment")
        within = read_together(segments, written, total)
        if within.canary:
            return replace(within, way="segment")
    copied = _read_mirror_split(dialect, plain, plan, ours, total)
    return copied if copied.canary else given


def exposure(manifest: Json, plan: Plan, before: tuple[str, ...] | None = None) -> Exposure:
    """Return which other routes give the canary traffic. Raises RouteError."""
    dialect, plain = dialect_of(plan), copy_json(manifest)
    ours = read_ours(manifest, plan, before=before)
    remove_segment_routes(dialect, plain, plan, ours)
    strays = [route.location for route in find_strays(dialect, plain, plan, ours)]
    pinned = [
        route.location
        for route in _list_others(dialect, plain, plan)
        if route.location not in strays and not ours.is_foreign(route)
    ]
    record = find_before(ours, dialect, plain, plan)
    lacking = list_unrecorded(record, before)
    return Exposure(tuple(pinned), tuple(strays), record.lines, lacking)


def gives_nothing(manifest: Json, plan: Plan, before: tuple[str, ...] | None = None) -> bool:
    """Return whether no route of an object leads a request, or its copy, to the canary.

    Those that did so before our first write count only before it.
    """
    dialect, ours = dialect_of(plan), read_ours(manifest, plan, before=before)
    every = [r for r in dialect.every_route(manifest, plan) if not ours.is_foreign(r)]
    giving = [r for r in every if is_giving(r) and not ours.before.giving.same(r)]
    copying = [r for r in every if sent(dialect, r) and not ours.before.copying.same(r)]
    return not giving and not copying


def find_strays(dialect: Dialect, plain: Json, plan: Plan, ours: Ours) -> list[WeightedRoute]:
    """Return the routes beside the plan's that give the canary traffic since our first write.

    Routes that another open rollout moves are never among them.
    """
    if not ours.is_begun:
        return []
    return [
        route
        for route in _list_others(dialect, plain, plan)
        if not ours.before.giving.same(route) and not ours.is_foreign(route)
    ]


def _list_others(dialect: Dialect, plain: Json, plan: Plan) -> list[WeightedRoute]:
    """Return the routes that give the canary traffic and are not the plan's."""
    planned = {id(route.body) for route in dialect.weighted_routes(plain, plan, back=True)}
    every = dialect.every_route(plain, plan)
    return [route for route in every if id(route.body) not in planned and is_giving(route)]


def _read_routes(
    dialect: Dialect, plain: Json, plan: Plan, ours: Ours
) -> tuple[list[WeightedRoute], list[WeightedRoute]]:
    """Return the plan's routes, and the strays."""
    if not ours.is_begun:
        planned = dialect.weighted_routes(plain, plan, alone=True)
        return [route for route in planned if not ours.is_foreign(route)] or planned, []
    planned = dialect.weighted_routes(plain, plan, back=True)
    routes = [route for route in planned if not ours.is_foreign(route)]
    return routes, find_strays(dialect, plain, plan, ours)


def _read_weights(
    routes: Sequence[WeightedRoute], manifest: Json, plan: Plan, total: int, ours: Ours
) -> Split:
    """Return the split of the plan's routes. Raises RouteError."""
    written = object_annotations.written(manifest, plan.spec.service, "weights")
    return read_together(routes, written, total, is_begun=ours.is_begun)


def _read_mirror_split(dialect: Dialect, plain: Json, plan: Plan, ours: Ours, total: int) -> Split:
    """Return the split that our mirrors show. Raises RouteError where routes differ."""
    is_back = not ours.mode or (ours.mode == "weights" and not ours.share)
    shares = {
        sum(map(dialect.share, sent(dialect, route)), Fraction(0))
        for route in dialect.every_route(plain, plan)
        if ours.has_copies(dialect, route, back=is_back)
    }
    if len(shares) > 1:
        shares_text = ", ".join(percent(float(share)) for share in sorted(shares))
        raise RouteError(
            f"routes disagree on the share that the canary gets a copy of: {shares_text}"
        )
    split = nearest([*shares], total)
    return replace(split, way="mirror") if split.canary else split
