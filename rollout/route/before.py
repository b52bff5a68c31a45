"""What the routes were before our first write, as annotations and a journal record it.

Routes are recorded by content. A record has ten lists, told apart by the words before a route's
location: routes that gave the canary traffic, routes that copied requests to it, routes that took
exactly the segment's requests of another one, routes of the plan without an entry for the canary,
the weights of the plan's routes, other routes that named the canary, an Envoy's configurations,
routes to which rollouts of other services gave the canary, an Envoy's virtual hosts, and what
rollouts of other services moved according to the journal. Those without an entry or
traffic, weights, configurations, hosts and what others moved are in the journal only: what we added
is noted with each write, and weights come back with the end.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Self

from analysis.fast_replace import replace
from rollout.decide.record.before import LACKING, MOVED, WEIGHTS
from rollout.route.content import (
    Noted,
    NotedRoute,
    describe_parts,
    digest,
    digest_extras,
    note_routes,
    parse_noted,
)
from rollout.route.lacking import as_added, find_lacking, is_by_matches
from rollout.route.manifest import Json
from rollout.route.weighted_route import WeightedRoute

_COPIES, _SEGMENT, _IDLE = "copies of ", "the segment's own ", "canary without traffic in "
_CONFIG, _OTHERS, _HOST = "configuration ", "another service's ", "virtual host "
_PREFIXES = (_COPIES, _SEGMENT, LACKING, WEIGHTS, _CONFIG, _OTHERS, _HOST, MOVED, _IDLE)
_NONE = Noted()


@dataclass(frozen=True)
class Before:
    """The routes that a rollout found, by what they were to the canary.

    `weights` has those of the plan's routes, entry by entry. `configs` are the configurations that
    the plan's file had, and `hosts` the virtual hosts of these. `others` have the fingerprints of
    the whole content. `moved` are routes that rollouts of other services moved, as these recorded
    them. `idle` are those beside the plan's that named the canary and gave it nothing.
    """

    giving: Noted = _NONE
    copying: Noted = _NONE
    narrowed: Noted = _NONE
    lacking: Noted = _NONE
    weights: Noted = _NONE
    configs: Noted = _NONE
    others: Noted = _NONE
    hosts: Noted = _NONE
    moved: Noted = _NONE
    idle: Noted = _NONE

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parse the lines of a record; a line that is there twice counts once."""
        notes = parse_noted("\n".join(dict.fromkeys(text.splitlines()))).routes
        others = tuple(note for note in notes if not note.location.startswith(_PREFIXES))
        return cls(Noted(others), *(_select(notes, prefix) for prefix in _PREFIXES))

    @property
    def lines(self) -> tuple[str, ...]:
        """The record as text, each line once and in one order."""
        lists = zip(("", *_PREFIXES), self._lists, strict=True)
        return Noted(
            tuple(
                replace(note, location=prefix + note.location)
                for prefix, noted in lists
                for note in noted.routes
            )
        ).lines

    def find_lacking(
        self, routes: Sequence[WeightedRoute], every: Sequence[WeightedRoute] = ()
    ) -> Mapping[int, NotedRoute]:
        """Return the notes of routes that had no canary, by the id of their body.

        Among `every` route there may be recorded ones that are not asked for.
        """
        recorded = Noted(self.weights.routes + self.idle.routes)
        return find_lacking(self.lacking, recorded, routes, every or routes)

    @property
    def addable(self) -> Noted:
        """The routes without the canary, as notes of the entries that we added to them."""
        return Noted(tuple(map(as_added, self.lacking.routes)))

    @property
    def _lists(self) -> tuple[Noted, ...]:
        own = self.lacking, self.weights, self.configs, self.others, self.hosts
        return self.giving, self.copying, self.narrowed, *own, self.moved, self.idle

    def find_moved_by_others(self, routes: Sequence[WeightedRoute]) -> frozenset[int]:
        """Return the routes that rollouts of other services moved, by the ids of their bodies.

        One may lack stable's entry by now: then its matches tell.
        """
        own = self.weights.assign(routes)
        others = [route for route in routes if id(route.body) not in own]
        by_content = {*self.moved.assign(routes)} - {*own}
        by_matches = (r for r in others if any(is_by_matches(n, r) for n in self.moved.routes))
        return frozenset(by_content | {id(route.body) for route in by_matches})

    @property
    def config_names(self) -> tuple[str, ...]:
        """The names of an Envoy's configurations; empty in records of an older version."""
        return tuple(note.location for note in self.configs.routes)


def note_lacking(planned: Sequence[WeightedRoute]) -> Noted:
    """Return the notes of routes without an entry for the canary.

    Each has the route's parts, and the digest of what stable's entry says, which ours carries.
    """
    lacking = [route for route in planned if route.of("stable") and not route.of("canary")]
    return Noted(
        tuple(
            replace(note, more="-".join([describe_parts(route), *_list_carried(route)]))
            for route in lacking
            for note in note_routes([route]).routes
        )
    )


def _list_carried(route: WeightedRoute) -> list[str]:
    carried = digest_extras(route.of("stable")[0], route)
    return [carried] if carried else []


def note_weights(planned: Iterable[WeightedRoute]) -> Noted:
    """Return the notes of the weights that the plan's routes have."""
    return Noted(
        tuple(
            replace(
                note, more=json.dumps([e.get("weight") for e in route.entries]).replace(" ", "")
            )
            for route in planned
            for note in note_routes([route]).routes
        )
    )


def note_configs(names: Iterable[str]) -> Noted:
    """Return the notes of configurations, which an Envoy asks for by name."""
    return Noted(tuple(NotedRoute(digest(name), "", name) for name in names if name))


def list_unrecorded(now: Before, before: Sequence[str] | None) -> tuple[str, ...]:
    """Return a record of what is there since our first write, and is not ours.

    Those are routes without the canary, and routes to which rollouts of other services give it.
    """
    if before is None:
        return ()
    recorded = Before.parse("\n".join(before))
    lacking, others = recorded.lacking.list_new(now.lacking), recorded.others.list_new(now.others)
    new = {note.fingerprint for note in lacking.routes}
    weights = tuple(note for note in now.weights.routes if note.fingerprint in new)
    return Before(lacking=lacking, weights=Noted(weights), others=others).lines


def restore_weights(routes: Sequence[WeightedRoute], weights: Noted) -> None:
    """Give routes the weights of before, where these are the same shares as now.

    Other shares, or other destinations, are somebody's work since.
    """
    noted = weights.assign(routes)
    for route in routes:
        note = noted.get(id(route.body))
        if note is not None:
            _restore(route, json.loads(note.more))


def _restore(route: WeightedRoute, weights: Sequence[object]) -> None:
    if len(weights) != len(route.entries):
        return
    entries = [_weigh(entry, weight) for entry, weight in zip(route.entries, weights, strict=True)]
    if _list_shares(replace(route, entries=entries)) == _list_shares(route):
        route.entries[:] = entries


def _weigh(entry: Json, weight: object) -> Json:
    """Return an entry with this weight, None without one."""
    rest = {key: value for key, value in entry.items() if key != "weight"}
    return rest if weight is None else {**rest, "weight": weight}


def _list_shares(route: WeightedRoute) -> list[Fraction]:
    """Return the share of each entry; none where all weights are zero."""
    weights = [route.read_weight(entry) for entry in route.entries]
    if route.mesh.single_takes_all and len(weights) == 1:
        return [Fraction(1)]
    total = sum(weights)
    return [Fraction(weight, total) for weight in weights] if total else []


def _select(notes: Sequence[NotedRoute], prefix: str) -> Noted:
    return Noted(
        tuple(
            replace(note, location=note.location.removeprefix(prefix))
            for note in notes
            if note.location.startswith(prefix)
        )
    )
