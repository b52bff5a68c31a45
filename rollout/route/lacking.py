"""Tell on which routes the canary's entry is ours, whatever the routes have become.

Those are the routes that had no entry for it before our first write. One that is known neither by
content nor by name any more may be any route that is in no record: first one with its matches, then
those that lead where it led, as the halves of a route that was split do, then whatever names the
canary. So it is as long as every route with an entry of people's own is accounted for; else a note
is for one route, which is known by a part of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace

from rollout.route.content import Noted, NotedRoute, describe_parts, digest_extras, fingerprint
from rollout.route.weighted_route import WeightedRoute

_Tell = Callable[[NotedRoute, WeightedRoute], bool]


def find_lacking(
    lacking: Noted,
    recorded: Noted,
    routes: Sequence[WeightedRoute],
    every: Sequence[WeightedRoute],
) -> Mapping[int, NotedRoute]:
    """Return the notes of those routes that had no canary, by the id of their body.

    `recorded` has the notes of all routes of before, and `every` route may be a recorded one.
    """
    own, assigned = lacking.assign(every), recorded.assign(every)
    strangers = [route for route in routes if id(route.body) not in {*own, *assigned}]
    lost = [note for note in lacking.routes if note not in own.values()]
    if _list_having(lacking, recorded, assigned.values()):
        found_again = _assign_by_parts(lost, strangers)
    else:
        contents = {*map(fingerprint, every)}
        changed = [note for note in own.values() if note.fingerprint not in contents]
        found_again = _spread(lost, changed, strangers)
    return {key: as_added(note) for key, note in {**own, **found_again}.items()}


def as_added(note: NotedRoute) -> NotedRoute:
    """Return the note of a route without the canary as that of an entry which carries the same."""
    _, _, carried = f"{note.more}--".split("-")[:3]
    return replace(note, more=carried)


def is_by_matches(note: NotedRoute, route: WeightedRoute) -> bool:
    """Return whether a route has a noted one's matches, where the note tells them."""
    matches, _, targets = note.more.partition("-")
    return bool(targets) and matches == describe_parts(route).partition("-")[0]


def _list_having(
    lacking: Noted, recorded: Noted, accounted: Iterable[NotedRoute]
) -> list[NotedRoute]:
    """Return the notes of routes that had an entry for the canary and are not accounted for."""
    without = {(note.fingerprint, note.location) for note in lacking.routes}
    having = [n for n in recorded.routes if (n.fingerprint, n.location) not in without]
    return [note for note in having if note not in accounted]


def _assign_by_parts(
    lost: Sequence[NotedRoute], strangers: Sequence[WeightedRoute]
) -> dict[int, NotedRoute]:
    """Return the routes that are known by a part, one for each note.

    One without the canary comes first: of two that may be it, ours was taken back there already.
    """
    free, assigned = [*lost], dict[int, NotedRoute]()
    for tell in (is_by_matches, _is_by_targets):
        for route in sorted(strangers, key=_has_canary):
            note = next((note for note in free if tell(note, route)), None)
            if note is not None and id(route.body) not in assigned:
                assigned[id(route.body)] = note
                free.remove(note)
    return assigned


def _spread(
    lost: Sequence[NotedRoute], changed: Sequence[NotedRoute], strangers: Sequence[WeightedRoute]
) -> dict[int, NotedRoute]:
    """Return every route that may be a recorded one, or a half of it.

    The other half of a `changed` one may still have its name.
    """
    left, assigned = [*lost, *changed], dict[int, NotedRoute]()
    tells: tuple[_Tell, ...] = (is_by_matches, _is_by_targets, lambda _, route: _has_canary(route))
    for tell in tells:
        used = set[NotedRoute]()
        for route in strangers:
            notes = [note for note in left if tell(note, route)]
            if notes and id(route.body) not in assigned:
                assigned[id(route.body)] = _choose_carried(notes, route)
                used.update(notes)
        left = [note for note in left if note not in used]
        if tell is _is_by_targets:
            left = [note for note in left if note in lost]
    return assigned


def _has_canary(route: WeightedRoute) -> bool:
    return any(map(route.of, route.mesh.arms[1:]))


def _is_by_targets(note: NotedRoute, route: WeightedRoute) -> bool:
    return note.more.split("-")[1:2] == describe_parts(route).split("-")[1:]


def _choose_carried(notes: Sequence[NotedRoute], route: WeightedRoute) -> NotedRoute:
    """Return the note whose carried fields are those of a route's canary, else the first."""
    entries = [entry for arm in route.mesh.arms[1:] for entry in route.of(arm)]
    carried = {digest_extras(entry, route) for entry in entries}
    return next((note for note in notes if as_added(note).more in carried), notes[0])
