"""Everything that a plan asks of an Envoy's routes: weights, a segment, copies, affinity."""

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


def patch(manifest: Json, arms: Arms, split: Split, mark: str, traffic: Traffic = NONE) -> Json:
    """The manifest with `split` in its way, and `mark` as its version.

    Whatever an earlier way left is taken away first, so a rollback leaves nothing of ours but the
    mark. Raises RouteError.
    """
    plain = _stripped(manifest, arms)
    if split.way == "weights":
        return _moved(plain, arms, split, mark, traffic)
    stable = weights.patch(plain, arms, Split(0, split.total), mark)
    if split.way == "mirror":
        copies.send(stable, arms, split)
        return stable
    if traffic.segment is None:
        raise RouteError("the plan has no segment")
    # From what the next patch will find, so that twice is once.
    within = _moved(stable, arms, split, mark, traffic)
    return segment.joined(stable, within, arms, traffic.segment)


def _moved(manifest: Json, arms: Arms, split: Split, mark: str, traffic: Traffic) -> Json:
    """The manifest with these weights, and users who keep their version if the plan says so."""
    moved = weights.patch(manifest, arms, replace(split, way="weights"), mark)
    if traffic.affinity is not None and 0 < split.canary < split.total:
        affinity.hold(moved, arms, traffic.affinity)
    return moved


def split_of(manifest: Json, arms: Arms, total: int, traffic: Traffic = NONE) -> Split:
    """The split that a manifest shows, and its way. Raises RouteError if there is none.

    A canary's share outside the segment is what is seen first: it is the larger part.
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


def _stripped(manifest: Json, arms: Arms) -> Json:
    """The manifest without our routes, copies and affinity."""
    plain = segment.only(manifest, lambda route: not is_ours(route, arms))
    copies.stop(plain, arms)
    affinity.release(plain, arms)
    return plain
