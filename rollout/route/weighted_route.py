"""Read and change weights in a list of destinations, the same way for every mesh.

A list may also name destinations that belong to nobody's rollout; those keep their share of the
traffic in every change.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Literal, Protocol

from rollout.decide.record.split import Split
from rollout.errors import RouteError
from rollout.route.manifest import Json

Arm = Literal["stable", "canary"]

SEGMENT = "surefoot-segment-"  # name prefix of the routes that we insert for a segment


class Mesh(Protocol):
    """How a mesh identifies the two arms, and how it reads weights."""

    @property
    def absent(self) -> int:
        """The weight of an entry that states none."""
        ...

    @property
    def lone(self) -> bool:
        """Whether the only entry of a list gets all traffic, whatever its weight."""
        ...

    @property
    def most(self) -> int:
        """The largest weight that the mesh accepts."""
        ...

    def arm_of(self, entry: Json) -> Arm | None:
        """Return the arm that an entry leads to; None if it leads to neither."""
        ...

    def entry(self, arm: Arm, like: Json) -> Json:
        """Return a new entry for an arm, without a weight, modelled on the other arm's entry."""
        ...

    def name(self, arm: Arm) -> str:
        """Return the arm's name as the mesh's users know it."""
        ...


@dataclass(frozen=True)
class WeightedRoute:
    """One route whose traffic is split by weight (local name in this package: `fork`).

    `entries` and `body` are the live objects of the manifest, not copies: changing them changes
    the manifest. `place` names the route in messages.
    """

    location: str
    entries: list[Json]
    mesh: Mesh
    body: Json = field(default_factory=dict)

    @property
    def arms(self) -> list[Json]:
        """The entries that lead to one of the two arms."""
        return [entry for entry in self.entries if self.mesh.arm_of(entry)]

    def of(self, arm: Arm | None) -> list[Json]:
        """Return the entries of an arm; None: those that lead to neither arm."""
        return [entry for entry in self.entries if self.mesh.arm_of(entry) == arm]

    def weight(self, arm: Arm | None) -> int:
        """Return the summed weight of an arm; None: of all others.

        Raises RouteError for a weight that is no whole number.
        """
        if self.mesh.lone and len(self.entries) == 1:
            return len(self.of(arm))
        return sum(self._weight(entry) for entry in self.of(arm))

    def _weight(self, entry: Json) -> int:
        weight = entry.get("weight")
        if weight is None:
            return self.mesh.absent
        if not isinstance(weight, int | str) or not str(weight).isdecimal():
            raise RouteError(f"{self.location}: weight {weight!r} is no whole number")
        return int(weight)  # protobuf's JSON allows numbers in quotes

    def share(self) -> Fraction:
        """Return the canary's share of what both arms get together.

        Where both arms weigh zero and others get the traffic, the share is 0. Raises RouteError
        where all weights are zero.
        """
        stable, canary = self.weight("stable"), self.weight("canary")
        if stable + canary:
            return Fraction(canary, stable + canary)
        if self.weight(None):
            return Fraction(0)
        raise RouteError(f"{self.location}: the weights sum to zero")

    def scale(self, factor: int) -> None:
        """Multiply all weights by a factor; the shares stay the same."""
        if factor > 1:
            weights = [self._weight(entry) for entry in self.entries]
            for entry, weight in zip(self.entries, weights, strict=True):
                entry["weight"] = weight * factor

    def put(self, arm: Arm, value: int) -> bool:
        """Give an arm's entries this weight in sum; return whether that added an entry.

        The first entry takes the difference, because the arm's further entries keep their weights.
        A new stable entry goes first and a new canary last: Envoy's affinity depends on the order.
        """
        own_entries = self.of(arm)
        if own_entries:
            own_entries[0]["weight"] = value - sum(self._weight(entry) for entry in own_entries[1:])
        elif value:
            other: Arm = "canary" if arm == "stable" else "stable"
            new = self.mesh.entry(arm, self.of(other)[0]) | {"weight": value}
            self.entries.insert(0 if arm == "stable" else len(self.entries), new)
        return not own_entries and value > 0


def move(fork: WeightedRoute, split: Split) -> bool:
    """Split what the two arms have together as `split` says; return whether the canary is new.

    All others keep their share of the traffic: where the arms' weights would not be whole numbers,
    every weight of the route is multiplied first. A route that names an arm twice is refused,
    unless the canary's share goes to zero: a rollback never waits. Raises RouteError.
    """
    twice = [arm for arm in _ARMS if len(fork.of(arm)) > 1]
    if twice and split.canary:
        raise RouteError(f"{fork.location} names {fork.mesh.name(twice[0])} twice")
    others, own = fork.weight(None), fork.weight("stable") + fork.weight("canary")
    if others and not own:
        if split.canary:
            raise RouteError(f"{fork.location} sends all its traffic elsewhere")
        return False
    # With others on the route, the arms keep their summed weight, or the others' share would
    # change. So do arms that are named twice: the second entry keeps its weight (see `put`), which
    # may exceed the plan's total. Otherwise only the ratio counts, and the plan's total is used.
    total = own if own and (others or twice) else split.total
    # The smallest factor that makes total * factor * canary / split.total a whole number.
    factor = split.total // math.gcd(total * split.canary, split.total)
    canary = total * factor * split.canary // split.total
    if max(total, others) * factor > fork.mesh.most:
        raise RouteError(f"{fork.location} would need weights above {fork.mesh.most}")
    fork.scale(factor)
    for entry in fork.of("canary")[1:]:
        entry["weight"] = 0
    new = fork.put("canary", canary)
    fork.put("stable", total * factor - canary)
    return new


_ARMS: tuple[Arm, Arm] = ("stable", "canary")


def nearest(share: Fraction, total: int) -> Split:
    """Return the split nearest to a share.

    An arm with some traffic never rounds to none: a rollback must not look complete before it is.
    """
    canary = round(share * total)
    if 0 < share < 1 and total > 1:
        canary = min(max(canary, 1), total - 1)
    return Split(canary, total)


def take_away(fork: WeightedRoute) -> None:
    """Remove the canary's entries that contain no more than one that we added.

    An entry with a filter or a header of its own was written by somebody else and stays.
    """
    (stable, *_) = fork.of("stable") or [{}]
    bare = fork.mesh.entry("canary", stable) | {"weight": 0}
    fork.entries[:] = [entry for entry in fork.entries if entry != bare]


def for_segment(body: Json) -> bool:
    """Return whether a route has the name of one that we insert for a segment."""
    return str(body.get("name") or "").startswith(SEGMENT)
