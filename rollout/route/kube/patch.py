"""Everything that a plan asks of its routes in a cluster: weights, a segment, mirroring.

How it works. A split has one of three modes (`Split.way`): weights for all requests, weights for a
segment's requests only, or a mirrored share. `at` first removes whatever an earlier write left
(`_strip_ours`), so that every mode starts from the routes that the users wrote, and a rollback
needs no special case. It then sets the routes' own weights, which are all at stable unless the
mode is `weights`; inserts one route for the segment before each of the plan's routes, or adds
mirrors; and records in annotations what it wrote. The last write of a rollout removes them. A
rollback moves more than the plan's routes: every one that gives the canary traffic and did not
before our first write; weights get the numbers that they had. `view` reads the same things back.
All functions are pure; `patch` is the difference between the object and the result.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from rollout.answers.json_text import copy_json
from rollout.decide.record.split import Split
from rollout.decide.record.write_id import find_rollout
from rollout.errors import RouteError
from rollout.plan.model.mesh.traffic import Segment
from rollout.plan.model.plan import Plan
from rollout.route.before import Before, restore_weights
from rollout.route.content import Noted, note_routes
from rollout.route.kube import object_annotations
from rollout.route.kube.dialect import Dialect, dialect_of, send, stop
from rollout.route.kube.moves import move_all, refuse_losses, refuse_unequal
from rollout.route.kube.ours import (
    Ours,
    begin,
    find_added,
    list_idle,
    note_before,
    note_moved,
    read_ours,
)
from rollout.route.kube.segments import (
    insert_segment_routes,
    remove_segment_routes,
    require_http_routes,
)
from rollout.route.kube.view import find_strays, split_of
from rollout.route.manifest import Json
from rollout.route.weighted_route import WeightedRoute

__all__ = ["at", "patch", "split_of"]


def patch(
    manifest: Json,
    plan: Plan,
    split: Split,
    write_id: str,
    before: tuple[str, ...] | None = None,
    *,
    is_last: bool = False,
) -> Json:
    """Return the smallest merge patch to a split and a write id; empty if all is there.

    It first removes what an earlier mode left, and the canary's entry that an earlier patch added
    once its traffic ends; annotations record which those are. The last write of a rollout leaves
    none of them. Raises RouteError, and then nothing moves.
    """
    wanted = at(manifest, plan, split, write_id, before, is_last=is_last)
    return object_annotations.difference(manifest, wanted)


def at(
    manifest: Json,
    plan: Plan,
    split: Split,
    write_id: str,
    before: tuple[str, ...] | None = None,
    *,
    is_last: bool = False,
) -> Json:
    """Return the object at a split and a write id, as `patch` makes it."""
    dialect, service, back = dialect_of(plan), plan.spec.service, not split.canary
    ours = read_ours(manifest, plan, find_rollout(write_id), before=before)
    wanted = _strip_ours(dialect, manifest, plan, ours, back=back)
    is_begun = ours.is_begun
    if not is_begun:
        ours = begin(ours, dialect, wanted, plan)
    planned = _choose(dialect, wanted, plan, ours, back=back)
    routes = planned + (find_strays(dialect, wanted, plan, ours) if back else [])
    if back and not routes and not is_begun and wanted == manifest:
        return wanted  # nothing of ours, and nothing to move
    if not back:
        _refuse(routes, ours, is_begun=is_begun)
    outside = split if split.way == "weights" else Split(0, split.total)
    every = dialect.every_route(wanted, plan)
    idle = list_idle(every, routes, ours) if back else []
    added = move_all([*routes, *idle], outside, partial(find_added, ours, every, back=back))
    if back:
        restore_weights(routes, ours.before.weights)
    else:  # on the way back the note stays as long as the rollout is open
        moved = [*planned, *_apply_way(dialect, wanted, plan, split, ours)]
        every = dialect.every_route(wanted, plan)
        is_shared = len(moved) < sum(bool(route.arm_entries) for route in every)
        note_moved(wanted, plan, moved if is_shared else [])
        recorded = {note.fingerprint for note in ours.before.others.routes}
        object_annotations.erase_ended(wanted, service, recorded)
    if is_last:
        object_annotations.erase(wanted, service, is_promoted=not back)
        return wanted
    copied = note_routes(routes) if split.way == "mirror" else Noted()
    object_annotations.note(wanted, object_annotations.ADDED + service, str(added))
    object_annotations.note(wanted, object_annotations.COPIED + service, str(copied))
    note_before(wanted, plan, ours if is_begun or not back else replace(ours, before=Before()))
    object_annotations.write_down(wanted, service, split, write_id, is_begun=is_begun)
    return wanted


def _apply_way(
    dialect: Dialect, wanted: Json, plan: Plan, split: Split, ours: Ours
) -> list[WeightedRoute]:
    """Give the canary its share beside the weights; return the routes that this adds."""
    if split.way == "weights":
        return []
    routes = _choose(dialect, wanted, plan, ours, back=False)
    if split.way == "segment":
        # A copy of the stripped object, as the next patch will see it, so that a repeated patch
        # changes nothing.
        within = _move_within(dialect, copy_json(wanted), plan, split, ours)
        return insert_segment_routes(dialect, wanted, routes, within, _get_segment(plan))
    require_http_routes(dialect, wanted, routes)
    for route in routes:
        send(dialect, route, split)
    return []


def _choose(
    dialect: Dialect, wanted: Json, plan: Plan, ours: Ours, *, back: bool
) -> list[WeightedRoute]:
    """Return the plan's routes. Raises RouteError where they are not there."""
    planned = dialect.weighted_routes(wanted, plan, back=back)
    own = [route for route in planned if not ours.is_foreign(route)]
    if not own and not back:
        raise RouteError(f"{planned[0].location} is moved by the rollout of another service")
    return own


def _refuse(routes: Sequence[WeightedRoute], ours: Ours, *, is_begun: bool) -> None:
    """Raise RouteError where the canary must not get traffic on these routes."""
    if not is_begun:
        refuse_unequal(routes)
    refuse_losses(routes, ours.added)


def _strip_ours(dialect: Dialect, manifest: Json, plan: Plan, ours: Ours, *, back: bool) -> Json:
    """Return the object without the routes and mirrors that we added."""
    plain = copy_json(manifest)
    remove_segment_routes(dialect, plain, plan, ours)
    for route in dialect.every_route(plain, plan):
        if ours.has_copies(dialect, route, back=back):
            stop(dialect, route)
    return plain


def _move_within(
    dialect: Dialect, manifest: Json, plan: Plan, split: Split, ours: Ours
) -> list[WeightedRoute]:
    """Return the plan's routes with the weights that hold within the segment."""
    routes = _choose(dialect, manifest, plan, ours, back=False)
    move_all(routes, split, lambda _: {})
    return routes


def _get_segment(plan: Plan) -> Segment:
    """Return the plan's segment. Raises RouteError if it has none."""
    if plan.spec.traffic is None or plan.spec.traffic.segment is None:
        raise RouteError("the plan has no segment")
    return plan.spec.traffic.segment
