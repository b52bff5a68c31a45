"""How Istio's routes and the Gateway API's routes spell segments and mirrored requests."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Protocol

from rollout.decide.record.split import Split
from rollout.errors import RouteError
from rollout.plan.model.mesh.traffic import Segment
from rollout.plan.model.plan import Plan
from rollout.route.gateway.dialect import Gateway
from rollout.route.istio.dialect import Istio
from rollout.route.manifest import Json, dicts
from rollout.route.weighted_route import WeightedRoute


class Dialect(Protocol):
    """How one API spells its list of routes, their matches, and what mirrors requests."""

    @property
    def routes(self) -> str:
        """Key of the list of routes into which a segment's route may be inserted."""
        ...

    @property
    def matches(self) -> str:
        """Key of a route's matches."""
        ...

    @property
    def copies(self) -> str:
        """Key of the list that mirrors a route's requests."""
        ...

    def weighted_routes(
        self, manifest: Json, plan: Plan, *, back: bool = False, alone: bool = False
    ) -> list[WeightedRoute]:
        """Return the plan's routes. Raises RouteError.

        With `back` (all traffic returns to stable) a missing route is skipped and not an error.
        With `alone` routes that lead to the canary alone count where none leads to stable: a reader
        must see that all traffic is there.
        """
        ...

    def every_route(self, manifest: Json, plan: Plan) -> list[WeightedRoute]:
        """Return all routes of an object."""
        ...

    def weighted_route(self, body: Json, plan: Plan) -> WeightedRoute:
        """Return one route of an object, also one that is not the plan's."""
        ...

    def narrow(self, matches: list[Json], segment: Segment, route_name: str) -> list[Json]:
        """Return the matches narrowed to the segment. Raises RouteError."""
        ...

    def check(
        self, routes: Sequence[Json], weighted_routes: Sequence[WeightedRoute], segment: Segment
    ) -> None:
        """Raise RouteError where a segment's route would take another route's requests."""
        ...

    def copy(self, route: WeightedRoute, to: Json, split: Split) -> Json:
        """Return the entry that mirrors this share of requests `to` the canary.

        Raises RouteError.
        """
        ...

    def list_copies(self, route: WeightedRoute) -> list[Json]:
        """Return the entries that mirror a route's requests, whatever field they stand in."""
        ...

    def stop_single(self, route: WeightedRoute) -> None:
        """Remove what mirrors a route's requests to the canary outside the list of `copies`."""
        ...

    def destination(self, copy: Json) -> Json:
        """Return where an entry mirrors to; empty for an entry that mirrors nothing."""
        ...

    def share(self, copy: Json) -> Fraction:
        """Return the share of the requests that an entry mirrors."""
        ...


def dialect_of(plan: Plan) -> Dialect:
    """Return the dialect of a plan's mesh."""
    return Istio() if plan.spec.route.istio is not None else Gateway()


def sent(dialect: Dialect, route: WeightedRoute) -> list[Json]:
    """Return the entries that mirror a route's requests to the canary."""
    return [
        entry for entry in dialect.list_copies(route) if _leads_to_canary(dialect, route, entry)
    ]


def send(dialect: Dialect, route: WeightedRoute, split: Split) -> None:
    """Mirror a share of a route's requests to the canary. Raises RouteError."""
    if sent(dialect, route):
        raise RouteError(f"{route.location} copies requests to the canary already")
    (like, *_) = route.of("stable") or route.of("canary")
    copy = dialect.copy(route, route.mesh.entry("canary", like), split)
    route.body[dialect.copies] = [*dicts(route.body.get(dialect.copies)), copy]


def stop(dialect: Dialect, route: WeightedRoute) -> None:
    """Remove what mirrors a route's requests to the canary; other mirrors stay."""
    entries = dicts(route.body.get(dialect.copies))
    singles = [entry for entry in dialect.list_copies(route) if entry not in entries]
    if any(_leads_to_canary(dialect, route, single) for single in singles):
        dialect.stop_single(route)
    others = [entry for entry in entries if not _leads_to_canary(dialect, route, entry)]
    if others != entries:
        route.body[dialect.copies] = others
        if not others:
            del route.body[dialect.copies]


def _leads_to_canary(dialect: Dialect, route: WeightedRoute, copy: Json) -> bool:
    to = dialect.destination(copy)
    return bool(to) and route.mesh.arm_of(to) == "canary"
