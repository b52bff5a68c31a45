"""Read and change weights in a list of destinations, the same way for every mesh.

A list may also name destinations that belong to nobody's rollout; those keep their share of the
traffic in every change.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Protocol

from rollout.decide.record.split import Split
from rollout.errors import RouteError
from rollout.route.carried import extras
from rollout.route.manifest import Json

Arm = str  # a name out of `Mesh.arms`
TWO_ARMS: tuple[Arm, ...] = ("stable", "canary")

SEGMENT = "surefoot-segment-"  # name prefix of the routes that we insert for a segment
_DIGITS = 20  # of a weight: more is beyond every mesh


class Mesh(Protocol):
    """How a mesh identifies the arms, and how it reads weights."""

    @property
    def arms(self) -> tuple[Arm, ...]:
        """The arms in order: stable first, then each canary."""
        ...

    @property
    def default_weight(self) -> int:
        """The weight of an entry that states none."""
        ...

    @property
    def single_takes_all(self) -> bool:
        """Whether the only entry of a list gets all traffic, whatever its weight."""
        ...

    @property
    def max_weight(self) -> int:
        """The largest weight that the mesh accepts."""
        ...

    @property
    def carries(self) -> tuple[str, ...]:
        """The fields of stable's entry that a new canary's entry gets too."""
        ...

    def arm_of(self, entry: Json) -> Arm | None:
        """Return the arm that an entry leads to; None if it leads to none."""
        ...

    def impostor(self, entry: Json) -> Arm | None:
        """Return the arm whose name an entry has without being it: an object of another kind."""
        ...

    def target(self, entry: Json) -> str:
        """Return where an entry leads, in one spelling and without its port."""
        ...

    def entry(self, arm: Arm, like: Json) -> Json:
        """Return a new entry for an arm, without a weight, modelled on another arm's entry."""
        ...

    def name(self, arm: Arm) -> str:
        """Return the arm's name as the mesh's users know it."""
        ...


@dataclass(frozen=True)
class WeightedRoute:
    """One route whose traffic is split by weight.

    `entries` and `body` are the live objects of the manifest, not copies: changing them changes
    the manifest. `location` names the route in messages.
    """

    location: str
    entries: list[Json]
    mesh: Mesh
    body: Json = field(default_factory=dict)

    @property
    def arm_entries(self) -> list[Json]:
        """The entries that lead to an arm."""
        return [entry for entry in self.entries if self.mesh.arm_of(entry)]

    def of(self, arm: Arm | None) -> list[Json]:
        """Return the entries of an arm; None: those that lead to no arm."""
        return [entry for entry in self.entries if self.mesh.arm_of(entry) == arm]

    def weight(self, arm: Arm | None) -> int:
        """Return the summed weight of an arm; None: of all others.

        Raises RouteError for a weight that is no whole number.
        """
        if self.mesh.single_takes_all and len(self.entries) == 1:
            return len(self.of(arm))
        return sum(self.read_weight(entry) for entry in self.of(arm))

    def read_weight(self, entry: Json) -> int:
        """Return an entry's weight. Raises RouteError for one that is no whole number."""
        weight = entry.get("weight")
        if weight is None:
            return self.mesh.default_weight
        text = str(weight) if isinstance(weight, int | str) else ""
        if not (text.isascii() and text.isdecimal() and len(text) <= _DIGITS):
            raise RouteError(f"{self.location}: weight {weight!r} is no whole number")
        return int(text)  # protobuf's JSON allows numbers in quotes

    def shares(self) -> tuple[Fraction, ...]:
        """Return each canary's share of what all arms get together; empty where none gets any.

        Where all arms weigh zero, others may get the traffic. Raises RouteError where all weights
        are zero.
        """
        stable, *canaries = (self.weight(arm) for arm in self.mesh.arms)
        total = stable + sum(canaries)
        if not total and not self.weight(None):
            raise RouteError(f"{self.location}: the weights sum to zero")
        return tuple(Fraction(canary, total) for canary in canaries) if any(canaries) else ()

    def scale(self, factor: int) -> None:
        """Multiply all weights by a factor; the shares stay the same."""
        if factor > 1:
            weights = [self.read_weight(entry) for entry in self.entries]
            for entry, weight in zip(self.entries, weights, strict=True):
                entry["weight"] = weight * factor

    def set_weight(self, arm: Arm, value: int, *, carries: bool) -> bool:
        """Give an arm's entries this weight in sum; return whether that added an entry.

        The first entry takes the difference, because the arm's further entries keep their weights.
        A new one `carries` the headers and filters of the other arm's, or only its name.
        """
        own_entries = self.of(arm)
        if own_entries:
            own_entries[0]["weight"] = value - sum(
                self.read_weight(entry) for entry in own_entries[1:]
            )
        elif value:
            like, *_ = self.of(self.mesh.arms[0]) or self.arm_entries
            carried = extras(like, self.mesh.carries) if carries else {}
            new = self.mesh.entry(arm, like) | carried | {"weight": value}
            self.entries.insert(self._find_index(arm), new)
        return not own_entries and value > 0

    def _find_index(self, arm: Arm) -> int:
        """Return where a new entry goes: Envoy's affinity depends on the order of the arms.

        Stable goes first, a canary before those that come after it, the last canary last.
        """
        position = self.mesh.arms.index(arm)
        if position == 0:
            return 0
        later_arms = self.mesh.arms[position + 1 :]
        arms = map(self.mesh.arm_of, self.entries)
        return next((i for i, other in enumerate(arms) if other in later_arms), len(self.entries))


def move(route: WeightedRoute, split: Split, *, is_stables: bool = False) -> bool:
    """Split what the arms have together as `split` says; return whether a canary is new.

    All others keep their share of the traffic: where the arms' weights would not be whole numbers,
    every weight of the route is multiplied first. A route that names an arm twice is refused,
    unless the canaries' share goes to zero: a rollback never waits. A route that gives stable all
    keeps its numbers then. `is_stables` says that the canary's entry has stable's headers and
    filters, so that an entry of stable's that is gone gets them back. Raises RouteError.
    """
    stable, *canaries = route.mesh.arms
    twice = [arm for arm in route.mesh.arms if len(route.of(arm)) > 1]
    if twice and split.canary:
        raise RouteError(f"{route.location} names {route.mesh.name(twice[0])} twice")
    if not split.canary and not route.of(stable) and _hand_back(route):
        return False
    if not split.canary and route.weight(stable) and not any(map(route.weight, canaries)):
        return False
    others, own = route.weight(None), sum(route.weight(arm) for arm in route.mesh.arms)
    if others and not own:
        if split.canary:
            raise RouteError(f"{route.location} sends all its traffic elsewhere")
        return False
    # With others on the route, the arms keep their summed weight, or the others' share would
    # change. So do arms that are named twice: the second entry keeps its weight (`set_weight`),
    # which may exceed the plan's total. Otherwise only the ratio counts, and the plan's total is
    # used.
    total = own if own and (others or twice) else split.total
    products = [total * weight for weight in split.canary_weights(len(canaries))]
    # The smallest factor that makes every product * factor / split.total a whole number.
    factor = split.total // math.gcd(split.total, *products)
    if max(total, others) * factor > route.mesh.max_weight:
        raise RouteError(f"{route.location} would need weights above {route.mesh.max_weight}")
    route.scale(factor)
    weights = [product * factor // split.total for product in products]
    new = [_set_canary(route, arm, weight) for arm, weight in zip(canaries, weights, strict=True)]
    route.set_weight(stable, total * factor - sum(weights), carries=is_stables)
    return any(new)


def _hand_back(route: WeightedRoute) -> bool:
    """Give the canaries' weight to an entry with stable's name; return whether there is one.

    It is an object of another kind than the plan means, so stable's own entry would lead nowhere.
    """
    stable, *canaries = route.mesh.arms
    stand_ins = [entry for entry in route.entries if route.mesh.impostor(entry) == stable]
    if not stand_ins:
        return False
    weight = sum(route.weight(arm) for arm in canaries)
    for arm in canaries:
        _set_canary(route, arm, 0)
    if weight:
        stand_ins[0]["weight"] = route.read_weight(stand_ins[0]) + weight
    return True


def _set_canary(route: WeightedRoute, arm: Arm, weight: int) -> bool:
    """Give a canary this weight in one entry; return whether that added the entry."""
    for entry in route.of(arm)[1:]:
        entry["weight"] = 0
    return route.set_weight(arm, weight, carries=True)


def remove_default_canary(route: WeightedRoute, is_carried: Callable[[Json], bool]) -> None:
    """Remove the canaries' entries of weight 0 that contain no more than one that we added.

    An entry with a filter or a header that we did not carry over was written by somebody else.
    """
    stable, *canaries = route.mesh.arms
    (like, *_) = route.of(stable) or [{}]
    bare = [route.mesh.entry(arm, like) | {"weight": 0} for arm in canaries]

    def is_ours(entry: Json) -> bool:
        more = extras(entry, route.mesh.carries)
        rest = {key: value for key, value in entry.items() if key not in more}
        return rest in bare and is_carried(more)

    route.entries[:] = [entry for entry in route.entries if not is_ours(entry)]


def for_segment(body: Json) -> bool:
    """Return whether a route has the name of one that we insert for a segment."""
    return str(body.get("name") or "").startswith(SEGMENT)
