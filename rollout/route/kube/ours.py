"""What in an object is ours: read from the annotations, and recognised by content.

How it works. The first write of a rollout records which routes led to the canary before it
(`before`). Every later write records the routes to which it added an entry (`added`) or copies
(`copied`), and, where others share the object, all routes that it moves (`routes`). Routes are
recorded by fingerprint, so that a rename, an insertion or a new order changes nothing. While a
rollout goes on, whatever leads to the canary and did not before is ours to take back. For an object
that lost its annotations the journal has the record of before, which also says where the canary had
no entry; the plan says what we copy.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

from rollout.decide.record.write_id import WriteId, find_rollout
from rollout.decide.rules.ramp import max_splits
from rollout.errors import RouteError
from rollout.plan.model.plan import Plan
from rollout.route.before import Before, note_lacking, note_weights
from rollout.route.content import Noted, NotedRoute, note_routes, parse_noted
from rollout.route.kube import object_annotations as notes
from rollout.route.kube.dialect import Dialect, dialect_of, sent
from rollout.route.kube.narrowed import note_narrowed
from rollout.route.manifest import Json
from rollout.route.weighted_route import Arm, WeightedRoute

_TO = "to "  # before an arm in the note of what a rollout moves


@dataclass(frozen=True)
class Ours:
    """What the annotations of an object say of one service's writes, and of those of others.

    `is_begun` says whether this rollout gave the canary anything here; `mode` is that of its last
    write, empty where only a journal still knows of one. `others` has the locations of routes that
    rollouts of other services move, each with an arm that they lead to.
    """

    is_begun: bool
    mode: str
    share: Fraction
    added: Noted
    copied: Noted
    before: Before
    others: tuple[tuple[str, frozenset[str]], ...]

    def is_protected(self, route: WeightedRoute, targets: Iterable[str]) -> bool:
        """Return whether the rollout of another service moves a route to one of these targets."""
        return any(
            target in targets and route.location in locations for target, locations in self.others
        )

    def is_foreign(self, route: WeightedRoute) -> bool:
        """Return whether the rollout of another service moves a route to the same canary."""
        return self.is_protected(route, find_targets([route], "canary"))

    def has_copies(self, dialect: Dialect, route: WeightedRoute, *, back: bool) -> bool:
        """Return whether a route mirrors requests to the canary because of us.

        On the way back everything counts that was not there before our first write.
        """
        copies = sent(dialect, route)
        targets = [route.mesh.target(dialect.destination(copy)) for copy in copies]
        if not copies or self.is_protected(route, targets):
            return False
        if self.copied.of(route):
            return True
        if not self.is_begun or self.before.copying.same(route):
            return False
        has_our_share = 0 < self.share == sum(map(dialect.share, copies), Fraction(0))
        return back or (self.mode in {"mirror", ""} and has_our_share)


def read_ours(
    manifest: Json,
    plan: Plan,
    rollout: str | None = None,
    *,
    before: tuple[str, ...] | None = None,
) -> Ours:
    """Return what the annotations say for a rollout; without one, for any of the plan's.

    `before` is what a journal says of it, None before the first write. Annotations go where people
    replace an object or make it anew; the journal then still knows that traffic was given.
    """
    service = plan.spec.service
    mark = notes.read_write_id(manifest, service)
    named = WriteId.parse(mark)
    if rollout is None:
        is_same = named is None or named.is_of(plan)  # a mark without a rollout is anybody's
    else:
        is_same = find_rollout(mark) == rollout
    text, _, mode = notes.read_annotation(manifest, notes.SPLIT + service).partition(" ")
    is_noted = bool(mark) and is_same and mode != notes.MADE_ONLY
    noted = notes.read_annotation(manifest, notes.BEFORE + service) if is_noted else ""
    recorded = Before.parse("\n".join([noted, *(before or ())]).strip())
    is_lost = before is not None and not is_noted
    share = _read_mirrored_share(plan) if is_lost else _parse_share(text)
    is_full = share == 1 and not mode  # a promotion's entry is the route's own, until it goes back
    return Ours(
        is_noted or before is not None,
        "" if is_lost else mode or "weights",
        share,
        recorded.addable if is_lost or is_full else _read(manifest, notes.ADDED + service),
        _read(manifest, notes.COPIED + service),
        recorded,
        _find_others(manifest, plan, recorded),
    )


def begin(ours: Ours, dialect: Dialect, plain: Json, plan: Plan) -> Ours:
    """Return what is ours at a rollout's first write: nothing that leads to the canary by now."""
    return replace(ours, before=find_before(ours, dialect, plain, plan))


def find_before(ours: Ours, dialect: Dialect, plain: Json, plan: Plan) -> Before:
    """Return what is not ours of an object from which the segment's routes of ours are removed.

    What names the canary is recorded beside the plan's routes, which steps and rollbacks move
    anyway; what copies to it, on all routes.
    """
    planned = dialect.weighted_routes(plain, plan, back=True)
    planned = [route for route in planned if not ours.is_foreign(route)]
    moved = {id(route.body) for route in planned}
    every = dialect.every_route(plain, plan)
    copying = [route for route in every if sent(dialect, route)]
    return Before(
        note_routes(route for route in every if id(route.body) not in moved and is_giving(route)),
        note_routes(route for route in copying if not ours.has_copies(dialect, route, back=False)),
        note_narrowed(dialect, [route for route in every if route.arm_entries], plan),
        note_lacking(planned),
        note_weights(planned),
        others=note_routes(
            (route for route in every if is_giving(route) and ours.is_foreign(route)), is_whole=True
        ),
        idle=note_routes(list_idle(every, planned, ours)),
    )


def list_idle(
    every: Sequence[WeightedRoute], moved: Sequence[WeightedRoute], ours: Ours
) -> list[WeightedRoute]:
    """Return the routes beside the moved ones that name the canary, and send all to stable."""
    ids = {id(route.body) for route in moved}
    others = [route for route in every if id(route.body) not in ids and route.of("canary")]
    return [
        route
        for route in others
        if not is_giving(route) and is_giving(route, "stable") and not ours.is_foreign(route)
    ]


def find_added(
    ours: Ours,
    every: Sequence[WeightedRoute],
    routes: Sequence[WeightedRoute],
    *,
    back: bool,
) -> Mapping[int, NotedRoute]:
    """Return the routes to which we added the canary, by the id of their body.

    On the way back every entry is ours that was not there before our first write.
    """
    lacking = ours.before.find_lacking(routes, every) if back else {}
    return {**lacking, **ours.added.assign(routes)}


def note_before(manifest: Json, plan: Plan, ours: Ours) -> None:
    """Record what led to the canary before our first write."""
    none = Noted()
    before = replace(ours.before, lacking=none, weights=none, idle=none, moved=none)
    notes.note(manifest, notes.BEFORE + plan.spec.service, "\n".join(before.lines))


def note_moved(manifest: Json, plan: Plan, routes: Sequence[WeightedRoute]) -> None:
    """Record the routes that a write moves, for the rollouts of others in the same object."""
    canaries, stables = find_targets(routes, "canary"), find_targets(routes, "stable")
    heads = [f"{_TO}{target}" for target in (*canaries[:1], *stables[:1])]
    text = "\n".join([*heads, *note_routes(routes, is_whole=True).lines]) if heads else ""
    notes.note(manifest, notes.ROUTES + plan.spec.service, text)


def find_targets(routes: Iterable[WeightedRoute], arm: Arm) -> list[str]:
    """Return where an arm's entries of routes lead, or would if they had one."""
    return [
        route.mesh.target(route.mesh.entry(arm, entry))
        for route in routes
        for entry in route.arm_entries[:1]
    ]


def is_giving(route: WeightedRoute, arm: Arm = "canary") -> bool:
    """Return whether a route gives an arm traffic; one that cannot be read gives none."""
    try:
        return route.weight(arm) > 0
    except RouteError:
        return False


def _read(manifest: Json, key: str) -> Noted:
    return parse_noted(notes.read_annotation(manifest, key))


def _find_others(
    manifest: Json, plan: Plan, recorded: Before
) -> tuple[tuple[str, frozenset[str]], ...]:
    """Return where the routes are that rollouts of other services move, by either of their arms.

    Those that still give it traffic are so also where only a record of ours knows of the rollout.
    """
    own = notes.ROUTES + plan.spec.service
    texts = [
        notes.read_annotation(manifest, key)
        for key in notes.list_keys(manifest)
        if key.startswith(notes.ROUTES) and key != own
    ]
    if not (texts or recorded.others.routes or recorded.moved.routes):
        return ()
    every = dialect_of(plan).every_route(manifest, plan)
    giving, ids = [r for r in every if is_giving(r)], recorded.find_moved_by_others(every)
    moved = frozenset(route.location for route in giving if id(route.body) in ids)
    canaries = {*find_targets(giving, "canary")}
    others = [(to, _locate(giving, recorded.others) | moved) for to in canaries]
    for text in texts:
        heads = [line for line in text.splitlines() if line.startswith(_TO)]
        noted = parse_noted("\n".join(line for line in text.splitlines() if line not in heads))
        others += [(head.removeprefix(_TO), _locate(every, noted)) for head in heads]
    return tuple(others)


def _locate(routes: Sequence[WeightedRoute], noted: Noted) -> frozenset[str]:
    """Return the locations of noted routes; twins have a note each."""
    own = noted.assign(routes, is_whole=True)
    return frozenset(route.location for route in routes if id(route.body) in own)


def _read_mirrored_share(plan: Plan) -> Fraction:
    """Return the share of requests that a plan copies to the canary; 0 for one that copies none."""
    shares = (Fraction(s.canary, s.total) for s in max_splits(plan) if s.way == "mirror")
    return next(shares, Fraction(0))


def _parse_share(text: str) -> Fraction:
    weight, _, total = text.partition("/")
    try:
        return Fraction(f"{weight}/{total}")
    except (ValueError, ZeroDivisionError):
        return Fraction(0)
