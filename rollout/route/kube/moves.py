"""Move the weights of a plan's routes, with what a canary's entry must carry, and back."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from rollout.decide.record.split import Split
from rollout.errors import RouteError
from rollout.route.carried import extras, list_missing
from rollout.route.content import Noted, NotedRoute, digest, digest_extras, note_routes
from rollout.route.manifest import Json
from rollout.route.shares import describe_shares
from rollout.route.weighted_route import WeightedRoute, move, remove_default_canary

FindAdded = Callable[[Sequence[WeightedRoute]], Mapping[int, NotedRoute]]
"""Returns the routes to which earlier writes added the canary, by the id of their body."""


def move_all(routes: Sequence[WeightedRoute], split: Split, find: FindAdded) -> Noted:
    """Move every route to a split; return the routes whose canary entry was added by us.

    Such an entry is removed when the canary's traffic ends. Raises RouteError.
    """
    still_added: list[WeightedRoute] = []
    noted = find(routes)
    for route in routes:
        was_added = noted.get(id(route.body))
        if was_added is not None:
            _carry_over(route, was_added.more)
        is_stables = was_added is not None and _is_unedited(route, was_added.more)
        if move(route, split, is_stables=is_stables) or was_added is not None:
            still_added.append(route)
    if not split.canary:
        noted = find(routes)  # once stable has its own entry again: that may have been gone
        for route in routes:
            if (note := noted.get(id(route.body))) is not None:
                _remove_added(route, note.more)
    # At 0 our entries are gone; at full traffic they are the route's real entries: nothing is
    # left to remove later.
    if split.canary in (0, split.total):
        return Noted()
    notes = [
        note
        for route in still_added
        for note in note_routes([route], more=digest_extras(_canary_of(route), route)).routes
    ]
    return Noted(tuple(notes))


def refuse_losses(routes: Sequence[WeightedRoute], added: Noted) -> None:
    """Raise RouteError where the canary's own entry lacks a header or filter of stable's."""
    noted = added.assign(routes)
    for route in routes:
        stable, canary = route.of("stable"), route.of("canary")
        if not stable or not canary or id(route.body) in noted:
            continue
        missing = list_missing(stable[0], canary[0], route.mesh.carries)
        if missing:
            raise RouteError(
                f"{route.location}: {route.mesh.name('canary')} lacks what "
                f"{route.mesh.name('stable')} has: {', '.join(missing)}; give both the same"
            )


def refuse_unequal(routes: Sequence[WeightedRoute]) -> None:
    """Raise RouteError where the plan's routes had different shares before our first write."""
    shares = {}
    for route in routes:
        try:
            shares[route.shares()] = route
        except RouteError:
            continue  # no weights at all: the write repairs that
    if len(shares) > 1:
        raise RouteError(
            f"routes disagree on the share of {routes[0].mesh.name('canary')}: "
            f"{describe_shares(shares)}; make them equal, or name the routes to move in the plan",
            most=float(max(map(sum, shares))),
        )


def _canary_of(route: WeightedRoute) -> Json:
    return next(iter(route.of("canary")), {})


def _is_unedited(route: WeightedRoute, noted: str) -> bool:
    """Return whether the canary's entry that we added says what stable's said then."""
    return digest_extras(_canary_of(route), route) == noted


def _carry_over(route: WeightedRoute, noted: str) -> None:
    """Give the canary's entry that we added what stable's says by now, unless it was edited."""
    stable, canary = route.of("stable"), route.of("canary")
    if len(stable) != 1 or len(canary) != 1 or not _is_unedited(route, noted):
        return
    for field in route.mesh.carries:
        canary[0].pop(field, None)
    canary[0].update(extras(stable[0], route.mesh.carries))


def _remove_added(route: WeightedRoute, noted: str) -> None:
    """Remove the canary's entry that we added, with what it carried."""
    own = [extras(entry, route.mesh.carries) for entry in route.of("stable")]
    remove_default_canary(route, lambda more: not more or more in own or digest(more) == noted)
