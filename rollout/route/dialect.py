"""What a segment and copies are called in Istio's and in the Gateway API's routes."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Protocol

from rollout.decide.split import Split
from rollout.errors import RouteError
from rollout.plan.model import Plan
from rollout.plan.traffic import Segment
from rollout.route import gateway_api, istio, matching
from rollout.route.precedence import refuse_overtaking
from rollout.route.share import Fork
from rollout.route.virtual_service import VirtualRoute
from rollout.route.walk import Json, dicts


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

    def forks(self, manifest: Json, plan: Plan, *, back: bool = False) -> list[Fork]:
        """The plan's routes. Raises RouteError."""
        ...

    def fork(self, body: Json, plan: Plan) -> Fork:
        """One route of an object, whoever's it is."""
        ...

    def narrow(self, matches: list[Json], segment: Segment, place: str) -> list[Json]:
        """The same matches for the segment only. Raises RouteError."""
        ...

    def check(self, routes: Sequence[Json], forks: Sequence[Fork], segment: Segment) -> None:
        """Raise RouteError where a route for the segment would take another's requests."""
        ...

    def copy(self, fork: Fork, to: Json, split: Split) -> Json:
        """What copies this share of a route's requests `to` the canary. Raises RouteError."""
        ...

    def destination(self, copy: Json) -> Json:
        """Where an entry copies to; empty for one that copies nothing."""
        ...

    def share(self, copy: Json) -> Fraction:
        """Which share of the requests an entry copies."""
        ...


class Istio:
    """A VirtualService: its first match wins."""

    routes, matches, copies = "http", "match", "mirrors"
    forks = staticmethod(istio.forks)
    narrow = staticmethod(matching.istio)

    def fork(self, body: Json, plan: Plan) -> Fork:
        return VirtualRoute("http", 0, body).fork(istio.destinations(plan))

    def check(self, routes: Sequence[Json], forks: Sequence[Fork], segment: Segment) -> None:
        """Nothing: a route before another takes requests of that one only."""

    def copy(self, fork: Fork, to: Json, split: Split) -> Json:
        if fork.body.get("mirror"):
            said = "has a `mirror`, beside which Istio takes no `mirrors`: write it as one of those"
            raise RouteError(f"{fork.place} {said}")
        percent = Fraction(100 * split.canary, split.total)
        value = int(percent) if percent.denominator == 1 else float(percent)
        return to | {"percentage": {"value": value}}

    def destination(self, copy: Json) -> Json:
        return copy

    def share(self, copy: Json) -> Fraction:
        return Fraction(str((copy.get("percentage") or {}).get("value", 100))) / 100


class Gateway:
    """An HTTPRoute or a GRPCRoute: its narrowest match wins."""

    routes, matches, copies = "rules", "matches", "filters"
    forks = staticmethod(gateway_api.forks)
    narrow = staticmethod(matching.gateway)

    def fork(self, body: Json, plan: Plan) -> Fork:
        return gateway_api.fork(0, body, gateway_api.backends(plan))

    def check(self, routes: Sequence[Json], forks: Sequence[Fork], segment: Segment) -> None:
        refuse_overtaking(routes, forks, segment)

    def copy(self, fork: Fork, to: Json, split: Split) -> Json:
        """All requests, or a fraction, which the Gateway API knows since 1.3."""
        del fork
        part = {"fraction": {"numerator": split.canary, "denominator": split.total}}
        mirror = {"backendRef": to} | ({} if split.canary == split.total else part)
        return {"type": "RequestMirror", "requestMirror": mirror}

    def destination(self, copy: Json) -> Json:
        return (copy.get("requestMirror") or {}).get("backendRef") or {}

    def share(self, copy: Json) -> Fraction:
        mirror = copy["requestMirror"]
        if isinstance(part := mirror.get("fraction"), dict):
            return Fraction(int(part.get("numerator", 0)), int(part.get("denominator", 100)))
        return Fraction(str(mirror.get("percent", 100))) / 100


def dialect_of(plan: Plan) -> Dialect:
    """The words of a plan's mesh."""
    return Istio() if plan.spec.route.istio is not None else Gateway()


def sent(dialect: Dialect, fork: Fork) -> list[Json]:
    """Entries that copy a route's requests to the canary."""
    return [
        each for each in dicts(fork.body.get(dialect.copies)) if _to_canary(dialect, fork, each)
    ]


def send(dialect: Dialect, fork: Fork, split: Split) -> None:
    """Copy a share of a route's requests to the canary. Raises RouteError."""
    if sent(dialect, fork):
        raise RouteError(f"{fork.place} copies requests to the canary already")
    (like, *_) = fork.of("stable") or fork.of("canary")
    copy = dialect.copy(fork, fork.mesh.entry("canary", like), split)
    fork.body[dialect.copies] = [*dicts(fork.body.get(dialect.copies)), copy]


def stop(dialect: Dialect, fork: Fork) -> None:
    """Take away what copies a route's requests to the canary; other copies stay."""
    there = dicts(fork.body.get(dialect.copies))
    kept = [each for each in there if not _to_canary(dialect, fork, each)]
    if kept != there:
        fork.body[dialect.copies] = kept
        if not kept:
            del fork.body[dialect.copies]


def _to_canary(dialect: Dialect, fork: Fork, copy: Json) -> bool:
    to = dialect.destination(copy)
    return bool(to) and fork.mesh.arm_of(to) == "canary"
