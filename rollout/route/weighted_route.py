"""Weights in a list of destinations, as every mesh has them."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Literal, Protocol

from rollout.decide.record.split import Split
from rollout.errors import RouteError
from rollout.route.manifest import Json

Arm = Literal["stable", "canary"]

SEGMENT = "surefoot-segment-"  # begins the name of a route that we put there for a segment


class Mesh(Protocol):
    """How a mesh tells the two arms apart, and how it reads weights."""

    @property
    def absent(self) -> int:
        """What an entry without a weight weighs."""
        ...

    @property
    def lone(self) -> bool:
        """Whether the only entry of a list gets everything, whatever its weight."""
        ...

    @property
    def most(self) -> int:
        """The largest weight that the mesh takes."""
        ...

    def arm_of(self, entry: Json) -> Arm | None:
        """Which arm an entry leads to; None for everybody else's."""
        ...

    def entry(self, arm: Arm, like: Json) -> Json:
        """An arm's new entry, made after the other arm's; without a weight."""
        ...

    def name(self, arm: Arm) -> str:
        """The arm in the mesh's own words."""
        ...


@dataclass(frozen=True)
class WeightedRoute:
    """One route, where traffic parts: `entries` and `body` are live in its manifest, no copies."""

    place: str
    entries: list[Json]
    mesh: Mesh
    body: Json = field(default_factory=dict)

    @property
    def arms(self) -> list[Json]:
        """The entries that lead to an arm."""
        return [entry for entry in self.entries if self.mesh.arm_of(entry)]

    def of(self, arm: Arm | None) -> list[Json]:
        return [entry for entry in self.entries if self.mesh.arm_of(entry) == arm]

    def weight(self, arm: Arm | None) -> int:
        """Summed weight of an arm, or of all others. Raises RouteError for no number."""
        if self.mesh.lone and len(self.entries) == 1:
            return len(self.of(arm))
        return sum(self._weight(entry) for entry in self.of(arm))

    def _weight(self, entry: Json) -> int:
        said = entry.get("weight")
        if said is None:
            return self.mesh.absent
        if not isinstance(said, int | str) or not str(said).isdecimal():
            raise RouteError(f"{self.place}: weight {said!r} is no whole number")
        return int(said)  # protobuf's JSON allows numbers in quotes

    def share(self) -> Fraction:
        """The canary's share of what both arms get. Raises RouteError where nobody gets any."""
        stable, canary = self.weight("stable"), self.weight("canary")
        if stable + canary:
            return Fraction(canary, stable + canary)
        if self.weight(None):
            return Fraction(0)
        raise RouteError(f"{self.place}: the weights sum to zero")

    def scale(self, factor: int) -> None:
        """The same shares in finer weights."""
        if factor > 1:
            weights = [self._weight(entry) for entry in self.entries]
            for entry, weight in zip(self.entries, weights, strict=True):
                entry["weight"] = weight * factor

    def put(self, arm: Arm, value: int) -> bool:
        """Give an arm's entries this weight in sum; True if that took a new entry."""
        mine = self.of(arm)
        if mine:
            mine[0]["weight"] = value - sum(self._weight(entry) for entry in mine[1:])
        elif value:
            other: Arm = "canary" if arm == "stable" else "stable"
            new = self.mesh.entry(arm, self.of(other)[0]) | {"weight": value}
            self.entries.insert(0 if arm == "stable" else len(self.entries), new)
        return not mine and value > 0


def move(fork: WeightedRoute, split: Split) -> bool:
    """Give the arms `split` of what they have together; True if the canary was not there before.

    All others keep their share of the traffic: where the arms' weights would not come out whole,
    every weight of the route is multiplied first. An arm that the route names twice is refused,
    unless the canary's share goes to zero: a rollback never waits. Raises RouteError.
    """
    twice = [arm for arm in _ARMS if len(fork.of(arm)) > 1]
    if twice and split.canary:
        raise RouteError(f"{fork.place} names {fork.mesh.name(twice[0])} twice")
    others, own = fork.weight(None), fork.weight("stable") + fork.weight("canary")
    if others and not own:
        if split.canary:
            raise RouteError(f"{fork.place} sends all its traffic elsewhere")
        return False
    total = own if own and (others or twice) else split.total
    factor = split.total // math.gcd(total * split.canary, split.total)
    canary = total * factor * split.canary // split.total
    if max(total, others) * factor > fork.mesh.most:
        raise RouteError(f"{fork.place} would need weights above {fork.mesh.most}")
    fork.scale(factor)
    for entry in fork.of("canary")[1:]:
        entry["weight"] = 0
    new = fork.put("canary", canary)
    fork.put("stable", total * factor - canary)
    return new


_ARMS: tuple[Arm, Arm] = ("stable", "canary")


def nearest(share: Fraction, total: int) -> Split:
    """The nearest split to a share; an arm that has some traffic is never shown as having none."""
    canary = round(share * total)
    if 0 < share < 1 and total > 1:
        canary = min(max(canary, 1), total - 1)
    return Split(canary, total)


def take_away(fork: WeightedRoute) -> None:
    """Remove the canary's entries that say no more than one of ours would."""
    (stable, *_) = fork.of("stable") or [{}]
    bare = fork.mesh.entry("canary", stable) | {"weight": 0}
    fork.entries[:] = [entry for entry in fork.entries if entry != bare]


def for_segment(body: Json) -> bool:
    """Whether a route is named like those that we put there for a segment."""
    return str(body.get("name") or "").startswith(SEGMENT)
