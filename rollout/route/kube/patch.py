"""Everything that a plan asks of its routes in a cluster: weights, a segment, copies."""

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
from rollout.route.weighted_route import SEGMENT, WeightedRoute, for_segment, nearest


def patch(manifest: Json, plan: Plan, split: Split, mark: str) -> Json:
    """The smallest merge patch to a split in its way, and to our mark; empty if all is there.

    What an earlier way left is taken away first, and so is a canary's entry that a patch of ours
    added, with its traffic; annotations say which those are. Raises RouteError, and then nothing
    moves.
    """
    return object_annotations.difference(manifest, at(manifest, plan, split, mark))


def at(manifest: Json, plan: Plan, split: Split, mark: str) -> Json:
    """The object at a split and our mark, as `patch` makes it."""
    dialect, service = dialect_of(plan), plan.spec.service
    wanted = _stripped(manifest, plan, back=not split.canary)
    outside = split if split.way == "weights" else Split(0, split.total)
    forks = dialect.forks(wanted, plan, back=not split.canary)
    added = object_annotations.move_all(
        forks, outside, object_annotations.places(manifest, object_annotations.ADDED + service)
    )
    if split.way == "segment":
        held = copy.deepcopy(wanted)  # as the next patch will find it, so that twice is once
        _join(dialect, wanted, forks, _moved(dialect, held, plan, split), _segment(plan))
    if split.way == "mirror":
        _see_requests(dialect, wanted, forks)
        for fork in forks:
            send(dialect, fork, split)
    copied = [fork.place for fork in forks] if split.way == "mirror" else []
    object_annotations.note(wanted, object_annotations.ADDED + service, "\n".join(sorted(added)))
    object_annotations.note(wanted, object_annotations.COPIED + service, "\n".join(copied))
    object_annotations.write_down(wanted, service, split, mark)
    return wanted


def split_of(manifest: Json, plan: Plan, total: int) -> Split:
    """The split that an object shows, and its way. Raises RouteError if there is none.

    A canary's share outside the segment is what is seen first: it is the larger part.
    """
    dialect, service = dialect_of(plan), plan.spec.service
    plain = copy.deepcopy(manifest)
    ours = _take_out(dialect, plain, plan)
    forks = dialect.forks(plain, plan)
    everywhere = object_annotations.split_of(
        forks, object_annotations.written(manifest, service, "weights"), total
    )
    if everywhere.canary:
        return everywhere
    if ours:
        _check(dialect, forks, ours, plan)
        within = object_annotations.split_of(
            ours, object_annotations.written(manifest, service, "segment"), total
        )
        return replace(within, way="segment") if within.canary else within
    return _copied(
        dialect,
        forks,
        object_annotations.places(manifest, object_annotations.COPIED + service),
        total,
    )


def _copied(dialect: Dialect, forks: Sequence[WeightedRoute], noted: set[str], total: int) -> Split:
    """The share that is copied by us. Raises RouteError where routes differ."""
    shares = {
        sum(map(dialect.share, sent(dialect, fork)), Fraction(0))
        for fork in forks
        if fork.place in noted
    }
    if len(shares) > 1:
        said = ", ".join(f"{float(share):.4%}" for share in sorted(shares))
        raise RouteError(f"routes disagree on the share that the canary gets a copy of: {said}")
    split = nearest(next(iter(shares), Fraction(0)), total)
    return replace(split, way="mirror") if split.canary else split


def _stripped(manifest: Json, plan: Plan, *, back: bool) -> Json:
    """The object without our routes and copies."""
    dialect, plain = dialect_of(plan), copy.deepcopy(manifest)
    _take_out(dialect, plain, plan)
    noted = object_annotations.places(manifest, object_annotations.COPIED + plan.spec.service)
    for fork in dialect.forks(plain, plan, back=back):
        if fork.place in noted:
            stop(dialect, fork)
    return plain


def _take_out(dialect: Dialect, manifest: Json, plan: Plan) -> list[WeightedRoute]:
    """Remove our routes for the segment; they are what is returned."""
    routes = dicts((manifest.get("spec") or {}).get(dialect.routes))
    named = [body for body in routes if for_segment(body)]
    ours = [fork for body in named if (fork := dialect.fork(body, plan)).arms]
    taken = [id(fork.body) for fork in ours]
    routes[:] = [body for body in routes if id(body) not in taken]
    return ours


def _moved(dialect: Dialect, manifest: Json, plan: Plan, split: Split) -> list[WeightedRoute]:
    """The plan's routes with the weights that hold within the segment."""
    forks = dialect.forks(manifest, plan)
    object_annotations.move_all(forks, split, set())
    return forks


def _join(
    dialect: Dialect,
    manifest: Json,
    forks: list[WeightedRoute],
    within: list[WeightedRoute],
    segment: Segment,
) -> None:
    """Put a route for the segment before each of the plan's. Raises RouteError."""
    routes = _see_requests(dialect, manifest, forks)
    dialect.check(routes, forks, segment)
    for fork, moved in zip(forks, within, strict=True):
        (place,) = (number for number, body in enumerate(routes) if body is fork.body)
        matches = _narrowed(dialect, fork, segment)
        routes.insert(place, {**moved.body, "name": _name(fork), dialect.matches: matches})


def _check(
    dialect: Dialect, forks: Sequence[WeightedRoute], ours: Sequence[WeightedRoute], plan: Plan
) -> None:
    """Raise RouteError unless each route has one for the segment that matches what it matches."""
    found = {fork.body.get("name"): fork.body.get(dialect.matches) for fork in ours}
    traffic = plan.spec.traffic
    segment = traffic.segment if traffic is not None else None
    for fork in forks:
        wanted = segment and _narrowed(dialect, fork, segment)
        if _name(fork) not in found or (wanted and found[_name(fork)] != wanted):
            raise RouteError(f"the route for the segment of {fork.place} was edited")


def _narrowed(dialect: Dialect, fork: WeightedRoute, segment: Segment) -> list[Json]:
    return dialect.narrow(dicts(fork.body.get(dialect.matches)), segment, fork.place)


def _name(fork: WeightedRoute) -> str:
    return SEGMENT + str(fork.body.get("name") or fork.place.rpartition(" ")[2])


def _segment(plan: Plan) -> Segment:
    if plan.spec.traffic is None or plan.spec.traffic.segment is None:
        raise RouteError("the plan has no segment")
    return plan.spec.traffic.segment


def _see_requests(dialect: Dialect, manifest: Json, forks: Sequence[WeightedRoute]) -> list[Json]:
    """The object's list of routes that see requests. Raises RouteError for one elsewhere."""
    routes = dicts((manifest.get("spec") or {}).get(dialect.routes))
    there = [id(body) for body in routes]
    for fork in forks:
        if id(fork.body) not in there:
            raise RouteError(f"{fork.place} sees no requests: name the HTTP routes in the plan")
    return routes
