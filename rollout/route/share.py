"""Weights in a list of destinations, as Istio and the Gateway API have them, and our marks."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal, Protocol

from rollout.decide.split import Split
from rollout.errors import RouteError
from rollout.route.envoy import nearest
from rollout.route.walk import Json

Arm = Literal["stable", "canary"]

# Annotations by service, so that rollouts of two services may share one object.
MARK, SPLIT, ADDED = "mark.surefoot.dev/", "split.surefoot.dev/", "added.surefoot.dev/"


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
class Fork:
    """One route, where traffic parts: `entries` is the live list in its manifest, not a copy."""

    place: str
    entries: list[Json]
    mesh: Mesh

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
        if not isinstance(said, int) or said < 0:
            raise RouteError(f"{self.place}: weight {said!r} is no whole number")
        return said

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


def split_of(manifest: Json, forks: Sequence[Fork], service: str, total: int) -> Split:
    """The split that all forks show, in parts of `total`.

    Where they differ since our last patch, somebody moved one of them: that one is what is seen.
    Raises RouteError if they differ and no patch of ours is known.
    """
    shares = {fork.share(): fork for fork in forks}
    if len(shares) == 1:
        return nearest(next(iter(shares)), total)
    written = _written(manifest, service)
    if written in shares:
        return nearest(max(shares, key=lambda share: abs(share - (written or 0))), total)
    said = ", ".join(f"{float(share):.4%} in {fork.place}" for share, fork in shares.items())
    raise RouteError(f"routes disagree on the share of {forks[0].mesh.name('canary')}: {said}")


def move(fork: Fork, split: Split) -> bool:
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


def patch(
    manifest: Json, forks: Callable[[Json], Sequence[Fork]], service: str, split: Split, mark: str
) -> Json:
    """The smallest merge patch to `split` on every fork, and to our mark; empty if all is there.

    A canary's entry that a patch of ours added goes again with its traffic; which ones those are
    stands in an annotation until the rollout ends. Raises RouteError, and then nothing moves.
    """
    wanted = copy.deepcopy(manifest)
    added = _added(manifest, service)
    for fork in forks(wanted):
        if move(fork, split):
            added.add(fork.place)
        if not split.canary and fork.place in added:
            _take_away(fork)
    ended = split.canary in (0, split.total)
    _note(wanted, MARK + service, mark)
    _note(wanted, SPLIT + service, f"{split.canary}/{split.total}")
    _note(wanted, ADDED + service, "" if ended else "\n".join(sorted(added)))
    return difference(manifest, wanted)


def mark_of(manifest: Json, service: str) -> str:
    """The mark that was written with the weights; empty if there is none."""
    return str(_notes(manifest).get(MARK + service, ""))


def difference(live: Json, wanted: Json) -> Json:
    """A JSON merge patch (RFC 7396) from one document to the other; lists go as a whole."""
    made: Json = {key: None for key in live if key not in wanted}
    for key, value in wanted.items():
        before = live.get(key)
        if isinstance(value, dict) and isinstance(before, dict):
            if inner := difference(before, value):
                made[key] = inner
        elif key not in live or before != value:
            made[key] = value
    return made


def _take_away(fork: Fork) -> None:
    """Remove the canary's entries that say no more than one of ours would."""
    (stable, *_) = fork.of("stable") or [{}]
    bare = fork.mesh.entry("canary", stable) | {"weight": 0}
    fork.entries[:] = [entry for entry in fork.entries if entry != bare]


def _written(manifest: Json, service: str) -> Fraction | None:
    """The share that our last patch wrote, if there was one."""
    try:
        return Fraction(str(_notes(manifest)[SPLIT + service]))
    except (KeyError, ValueError, ZeroDivisionError):
        return None


def _added(manifest: Json, service: str) -> set[str]:
    return set(str(_notes(manifest).get(ADDED + service, "")).splitlines())


def _notes(manifest: Json) -> Json:
    notes = (manifest.get("metadata") or {}).get("annotations")
    return notes if isinstance(notes, dict) else {}


def _note(manifest: Json, key: str, value: str) -> None:
    """Write an annotation, or none if it would be empty."""
    notes = {name: said for name, said in _notes(manifest).items() if name != key}
    if value or key in _notes(manifest):
        manifest.setdefault("metadata", {})["annotations"] = notes | ({key: value} if value else {})
