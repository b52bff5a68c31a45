"""What a segment and copies are called in Istio's and in the Gateway API's routes."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Protocol

from rollout.decide.record.split import Split
from rollout.errors import RouteError
from rollout.plan.model.plan import Plan
from rollout.plan.model.traffic import Segment
from rollout.route.gateway.dialect import Gateway
from rollout.route.istio.dialect import Istio
from rollout.route.manifest import Json, dicts
from rollout.route.weighted_route import WeightedRoute


class Dialect(Protocol):
    """One mesh's words: where its routes stand, their matches, and what copies requests."""

    @property
    def routes(self) -> str:
        """Key of an object's routes, among which one of ours may stand."""
        ...

    @property
    def matches(self) -> str:
        """Key of a route's matches."""
        ...

    @property
    def copies(self) -> str:
        """Key of what copies a route's requests."""
        ...

    def forks(self, manifest: Json, plan: Plan, *, back: bool = False) -> list[WeightedRoute]:
        """The plan's routes. Raises RouteError."""
        ...

    def fork(self, body: Json, plan: Plan) -> WeightedRoute:
        """One route of an object, whoever's it is."""
        ...

    def narrow(self, matches: list[Json], segment: Segment, place: str) -> list[Json]:
        """The same matches for the segment only. Raises RouteError."""
        ...

    def check(
        self, routes: Sequence[Json], forks: Sequence[WeightedRoute], segment: Segment
    ) -> None:
        """Raise RouteError where a route for the segment would take another's requests."""
        ...

    def copy(self, fork: WeightedRoute, to: Json, split: Split) -> Json:
        """What copies this share of a route's requests `to` the canary. Raises RouteError."""
        ...

    def destination(self, copy: Json) -> Json:
        """Where an entry copies to; empty for one that copies nothing."""
        ...

    def share(self, copy: Json) -> Fraction:
        """Which share of the requests an entry copies."""
        ...


def dialect_of(plan: Plan) -> Dialect:
    """The words of a plan's mesh."""
    return Istio() if plan.spec.route.istio is not None else Gateway()


def sent(dialect: Dialect, fork: WeightedRoute) -> list[Json]:
    """Entries that copy a route's requests to the canary."""
    return [
        each for each in dicts(fork.body.get(dialect.copies)) if _to_canary(dialect, fork, each)
    ]


def send(dialect: Dialect, fork: WeightedRoute, split: Split) -> None:
    """Copy a share of a route's requests to the canary. Raises RouteError."""
    if sent(dialect, fork):
        raise RouteError(f"{fork.place} copies requests to the canary already")
    (like, *_) = fork.of("stable") or fork.of("canary")
    copy = dialect.copy(fork, fork.mesh.entry("canary", like), split)
    fork.body[dialect.copies] = [*dicts(fork.body.get(dialect.copies)), copy]


def stop(dialect: Dialect, fork: WeightedRoute) -> None:
    """Take away what copies a route's requests to the canary; other copies stay."""
    there = dicts(fork.body.get(dialect.copies))
    kept = [each for each in there if not _to_canary(dialect, fork, each)]
    if kept != there:
        fork.body[dialect.copies] = kept
        if not kept:
            del fork.body[dialect.copies]


def _to_canary(dialect: Dialect, fork: WeightedRoute, copy: Json) -> bool:
    to = dialect.destination(copy)
    return bool(to) and fork.mesh.arm_of(to) == "canary"
