"""Everything that a plan asks of an Envoy's routes: weights, a segment, mirroring, affinity.

How it works. As in `route.kube.patch`, a write first removes what an earlier write left and starts
from the routes that the users wrote; then it applies the one mode of the split. Reading goes the
other way: shares outside the segment, then within it, then mirrors.
"""

from __future__ import annotations

from dataclasses import replace

from rollout.decide.record.split import Split
from rollout.errors import RouteError
from rollout.plan.model.mesh.traffic import Traffic
from rollout.route.envoy import weights
from rollout.route.envoy.arms import Arms
from rollout.route.envoy.modes import affinity, copies, segment
from rollout.route.envoy.modes.segment import is_ours
from rollout.route.envoy.walk import tables
from rollout.route.manifest import Json

NONE = Traffic()


def patch(
    manifest: Json,
    arms: Arms,
    split: Split,
    write_id: str,
    traffic: Traffic = NONE,
    *,
    before: tuple[str, ...] | None = None,
    is_last: bool = False,
) -> Json:
    """Return the manifest with `split` in its mode, and the write id as its version.

    Whatever an earlier mode left is removed first, so the last write of a rollout leaves nothing of
    ours but the version. `before` is what led to the canary before our first write, None before it.
    Raises RouteError.
    """
    back = not split.canary
    plain = _strip_ours(manifest, arms, before, back=back)
    if back:
        return weights.patch(plain, arms, split, write_id, before, back=True, is_last=is_last)
    if split.way == "weights":
        return _move_weights(plain, arms, split, write_id, traffic, before=before, is_last=is_last)
    stable = weights.patch(plain, arms, Split(0, split.total), write_id, before)
    if split.way == "mirror":
        copies.send(stable, arms, split)
        return stable
    if traffic.segment is None:
        raise RouteError("the plan has no segment")
    # From the stripped routes, as the next patch will see them, so that a repeated patch
    # changes nothing.
    within = _move_weights(stable, arms, split, write_id, traffic, before=before)
    return segment.joined(stable, within, arms, traffic.segment)


def _move_weights(
    manifest: Json,
    arms: Arms,
    split: Split,
    write_id: str,
    traffic: Traffic,
    *,
    before: tuple[str, ...] | None,
    is_last: bool = False,
) -> Json:
    """Return the manifest with these weights, and with affinity if the plan asks for it."""
    everywhere = replace(split, way="weights")
    moved = weights.patch(manifest, arms, everywhere, write_id, before, is_last=is_last)
    # At 0 and at the full share every user gets the same version anyway.
    if traffic.affinity is not None and 0 < split.canary < split.total:
        affinity.hold(moved, arms, traffic.affinity)
    return moved


def split_of(
    manifest: Json,
    arms: Arms,
    total: int,
    traffic: Traffic = NONE,
    before: tuple[str, ...] | None = None,
) -> Split:
    """Return the split that a manifest shows, and its mode. Raises RouteError if there is none.

    A canary's share outside the segment takes precedence: it affects all requests, so hiding it
    would understate the exposure. What strays give comes last: a rollback must not end before it.
    """
    others = segment.only(manifest, lambda route: not is_ours(route, arms))
    everywhere = weights.split_of(others, arms, total, before)
    if everywhere.canary:
        return everywhere
    ours = segment.only(manifest, lambda route: is_ours(route, arms))
    if any(routes for *_, routes in tables(ours)):
        segment.check(manifest, arms, traffic.segment)
        within = weights.split_of(ours, arms, total, ())  # one may lead elsewhere by now
        if within.canary:
            return replace(within, way="segment")
    copied = copies.seen(others, arms, total, before)
    return copied if copied.canary else weights.stray_split_of(others, arms, total, before)


def _strip_ours(manifest: Json, arms: Arms, before: tuple[str, ...] | None, *, back: bool) -> Json:
    """Return the manifest without our routes, mirrors and affinity."""
    plain = segment.only(manifest, lambda route: not is_ours(route, arms))
    copies.stop(plain, arms, before, back=back)
    affinity.release(plain, arms)
    return plain
