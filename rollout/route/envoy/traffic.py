"""Everything that a plan asks of an Envoy's routes: weights, a segment, mirroring, affinity.

How it works. As in `route.kube.patch`, a write first removes what an earlier write left and starts
from the routes that the users wrote; then it applies the one mode of the split. Reading goes the
other way: shares outside the segment, then within it, then mirrors.
"""

from __future__ import annotations

from dataclasses import replace

from rollout.decide.record.split import Split
from rollout.errors import RouteError
from rollout.plan.model.traffic import Traffic
from rollout.route.envoy import affinity, copies, segment, weights
from rollout.route.envoy.segment import is_ours
from rollout.route.envoy.walk import tables
from rollout.route.envoy.weights import Arms
from rollout.route.manifest import Json

NONE = Traffic()


def patch(manifest: Json, arms: Arms, split: Split, write_id: str, traffic: Traffic = NONE) -> Json:
    """Return the manifest with `split` in its mode, and the write id as its version.

    Whatever an earlier mode left is removed first, so a rollback leaves nothing of ours but the
    write id. Raises RouteError.
    """
    plain = _strip_ours(manifest, arms)
    if split.way == "weights":
        return _move_weights(plain, arms, split, write_id, traffic)
    stable = weights.patch(plain, arms, Split(0, split.total), write_id)
    if split.way == "mirror":
        copies.send(stable, arms, split)
        return stable
    if traffic.segment is None:
        raise RouteError("the plan has no segment")
    # From the stripped routes, as the next patch will see them, so that a repeated patch
    # changes nothing.
    within = _move_weights(stable, arms, split, write_id, traffic)
    return segment.joined(stable, within, arms, traffic.segment)


def _move_weights(
    manifest: Json, arms: Arms, split: Split, write_id: str, traffic: Traffic
) -> Json:
    """Return the manifest with these weights, and with affinity if the plan asks for it."""
    moved = weights.patch(manifest, arms, replace(split, way="weights"), write_id)
    # At 0 and at the full share every user gets the same version anyway.
    if traffic.affinity is not None and 0 < split.canary < split.total:
        affinity.hold(moved, arms, traffic.affinity)
    return moved


def split_of(manifest: Json, arms: Arms, total: int, traffic: Traffic = NONE) -> Split:
    """Return the split that a manifest shows, and its mode. Raises RouteError if there is none.

    A canary's share outside the segment takes precedence: it affects all requests, so hiding it
    would understate the exposure.
    """
    others = segment.only(manifest, lambda route: not is_ours(route, arms))
    everywhere = weights.split_of(others, arms, total)
    if everywhere.canary:
        return everywhere
    ours = segment.only(manifest, lambda route: is_ours(route, arms))
    if any(routes for *_, routes in tables(ours)):
        segment.check(manifest, arms, traffic.segment)
        within = weights.split_of(ours, arms, total)
        return replace(within, way="segment") if within.canary else within
    return copies.seen(others, arms, total)


def _strip_ours(manifest: Json, arms: Arms) -> Json:
    """Return the manifest without our routes, mirrors and affinity."""
    plain = segment.only(manifest, lambda route: not is_ours(route, arms))
    copies.stop(plain, arms)
    affinity.release(plain, arms)
    return plain
