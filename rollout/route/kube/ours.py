"""What in an object is ours: read from the annotations, and recognised by content.

How it works. The first write of a rollout records which routes led to the canary before it
(`before`). Every later write records the routes to which it added an entry (`added`) or copies
(`copied`), and, where others share the object, all routes that it moves (`routes`). Routes are
recorded by fingerprint, so that a rename, an insertion or a new order changes nothing. While a
rollout goes on, whatever leads to the canary and did not before is ours to take back.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

from rollout.errors import RouteError
from rollout.plan.model.plan import Plan
from rollout.route.kube import object_annotations as notes
from rollout.route.kube.content import Noted, NotedRoute, note_routes, parse_noted
from rollout.route.kube.dialect import Dialect, sent
from rollout.route.manifest import Json
from rollout.route.weighted_route import WeightedRoute

_COPIES = "copies of "  # prefix of a location: its route mirrored requests to the canary


@dataclass(frozen=True)
class Ours:
    """What the annotations of an object say of one service's writes, and of those of others.

    `is_begun` says whether this rollout gave the canary anything here; `others` lists routes that
    open rollouts of other services move, each with the canary that it leads to.
    """

    is_begun: bool
    mode: str
    share: Fraction
    added: Noted
    copied: Noted
    before: Noted
    copied_before: Noted
    others: tuple[tuple[str, Noted], ...]

    def is_protected(self, route: WeightedRoute, entries: Sequence[Json]) -> bool:
        """Return whether another open rollout moves these entries of a route."""
        targets = {route.mesh.target(entry) for entry in entries}
        return any(
            canary in targets and noted.of(route, is_whole=True) is not None
            for canary, noted in self.others
        )

    def is_foreign(self, route: WeightedRoute) -> bool:
        """Return whether another open rollout moves a route to the same canary."""
        return self.is_protected(route, route.of("canary"))

    def has_copies(self, dialect: Dialect, route: WeightedRoute, *, back: bool) -> bool:
        """Return whether a route mirrors requests to the canary because of us.

        On the way back everything counts that was not there before our first write.
        """
        copies = sent(dialect, route)
        if not copies or self.is_protected(route, [dialect.destination(copy) for copy in copies]):
            return False
        if self.copied.of(route):
            return True
        if not self.is_begun or self.copied_before.same(route):
            return False
        has_our_share = sum(map(dialect.share, copies), Fraction(0)) == self.share
        return back or (self.mode == "mirror" and has_our_share)


def read_ours(manifest: Json, plan: Plan, rollout: str | None = None) -> Ours:
    """Return what the annotations say for a rollout; without one, for any of the plan's."""
    service = plan.spec.service
    mark = notes.read_write_id(manifest, service)
    written_by = mark.rpartition("/")[0]
    is_same = written_by == rollout if rollout is not None else _is_of(plan, written_by)
    text, _, mode = notes.read_annotation(manifest, notes.SPLIT + service).partition(" ")
    is_begun = bool(mark) and is_same and mode != notes.MADE_ONLY
    recorded = _read(manifest, notes.BEFORE + service) if is_begun else Noted()
    return Ours(
        is_begun,
        mode or "weights",
        _parse_share(text),
        _read(manifest, notes.ADDED + service),
        _read(manifest, notes.COPIED + service),
        Noted(tuple(note for note in recorded.routes if not note.location.startswith(_COPIES))),
        Noted(tuple(note for note in recorded.routes if note.location.startswith(_COPIES))),
        _read_others(manifest, service),
    )


def begin(ours: Ours, dialect: Dialect, plain: Json, plan: Plan) -> Ours:
    """Return what is ours at a rollout's first write: nothing that leads to the canary by now."""
    planned = {id(route.body) for route in dialect.weighted_routes(plain, plan, back=True)}
    every = dialect.every_route(plain, plan)
    pins = [route for route in every if id(route.body) not in planned and is_giving(route)]
    copying = [route for route in every if sent(dialect, route)]
    return replace(ours, before=note_routes(pins), copied_before=note_routes(copying))


def note_before(manifest: Json, plan: Plan, ours: Ours, dialect: Dialect, *, is_open: bool) -> None:
    """Record what led to the canary before our first write.

    At the end of a rollout only those that still do stay recorded: an undo needs them.
    """
    weighing, copying = ours.before, ours.copied_before
    if not is_open:
        every = dialect.every_route(manifest, plan)
        weighing = _keep(weighing, [route for route in every if is_giving(route)])
        copying = _keep(copying, [route for route in every if sent(dialect, route)])
    copies = [
        replace(note, location=_COPIES + note.location.removeprefix(_COPIES))
        for note in copying.routes
    ]
    recorded = Noted((*weighing.routes, *copies))
    notes.note(manifest, notes.BEFORE + plan.spec.service, str(recorded))


def note_moved(manifest: Json, plan: Plan, routes: Sequence[WeightedRoute]) -> None:
    """Record the routes that a write moves, for the rollouts of others in the same object."""
    canaries = [route.mesh.target(entry) for route in routes for entry in route.of("canary")]
    text = f"to {canaries[0]}\n{note_routes(routes, is_whole=True)}" if canaries else ""
    notes.note(manifest, notes.ROUTES + plan.spec.service, text)


def is_giving(route: WeightedRoute) -> bool:
    """Return whether a route gives the canary traffic; one that cannot be read gives none."""
    try:
        return route.weight("canary") > 0
    except RouteError:
        return False


def _keep(noted: Noted, routes: Sequence[WeightedRoute]) -> Noted:
    """Return the notes of routes that are still there."""
    current: set[NotedRoute | None] = {noted.same(route) for route in routes}
    return Noted(tuple(note for note in noted.routes if note in current))


def _read(manifest: Json, key: str) -> Noted:
    return parse_noted(notes.read_annotation(manifest, key))


def _read_others(manifest: Json, service: str) -> tuple[tuple[str, Noted], ...]:
    """Return the routes that rollouts of other services move, by the canary they lead to."""
    others = []
    for key in notes.list_keys(manifest):
        if key.startswith(notes.ROUTES) and key != notes.ROUTES + service:
            head, _, rest = notes.read_annotation(manifest, key).partition("\n")
            others.append((head.removeprefix("to "), parse_noted(rest)))
    return tuple(others)


def _parse_share(text: str) -> Fraction:
    weight, _, total = text.partition("/")
    try:
        return Fraction(f"{weight}/{total}")
    except (ValueError, ZeroDivisionError):
        return Fraction(0)


def _is_of(plan: Plan, rollout: str) -> bool:
    """Return whether a rollout id is that of a plan, or of a later attempt of it.

    An attempt's number replaces the end of the plan's id. A mark without a rollout is anybody's.
    """
    head, _, number = rollout.rpartition("-")
    is_attempt = number.isdecimal() and len(rollout) == len(plan.id) and plan.id.startswith(head)
    return not rollout or rollout == plan.id or is_attempt
