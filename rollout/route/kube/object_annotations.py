"""Patches of forks in an object, and the annotations that say what we wrote there."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from rollout.decide.record.split import Split, Way
from rollout.errors import RouteError
from rollout.route.manifest import Json
from rollout.route.weighted_route import WeightedRoute, move, nearest, take_away

# Annotations by service, so that rollouts of two services may share one object.
MARK, SPLIT, ADDED = "mark.surefoot.dev/", "split.surefoot.dev/", "added.surefoot.dev/"
COPIED = "copied.surefoot.dev/"
POLICY = "policy.surefoot.dev/"


def split_of(forks: Sequence[WeightedRoute], written: Fraction | None, total: int) -> Split:
    """The split that all forks show, in parts of `total`.

    Where they differ since our last patch, which wrote `written`, somebody moved one of them: that
    one is what is seen. Raises RouteError if they differ and no patch of ours is known.
    """
    shares = {fork.share(): fork for fork in forks}
    if len(shares) == 1:
        return nearest(next(iter(shares)), total)
    if written in shares:
        return nearest(max(shares, key=lambda share: abs(share - (written or 0))), total)
    said = ", ".join(f"{float(share):.4%} in {fork.place}" for share, fork in shares.items())
    raise RouteError(f"routes disagree on the share of {forks[0].mesh.name('canary')}: {said}")


def move_all(forks: Sequence[WeightedRoute], split: Split, added: set[str]) -> set[str]:
    """Move every fork to a split; the places where a canary's entry is one that we added.

    Such an entry goes again with its traffic. Raises RouteError.
    """
    for fork in forks:
        if move(fork, split):
            added = added | {fork.place}
        if not split.canary and fork.place in added:
            take_away(fork)
    return set() if split.canary in (0, split.total) else added


def mark_of(manifest: Json, service: str) -> str:
    """The mark that was written with the weights; empty if there is none."""
    return noted(manifest, MARK + service)


def noted(manifest: Json, key: str) -> str:
    """What an annotation says; empty if there is none."""
    return str(_notes(manifest).get(key, ""))


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


def written(manifest: Json, service: str, way: Way) -> Fraction | None:
    """The share that our last patch wrote in this way, if there was one.

    Whatever is written in another way leaves every route's own weights to stable.
    """
    share, _, said = noted(manifest, SPLIT + service).partition(" ")
    if share and (said or "weights") != way:
        return Fraction(0)
    try:
        return Fraction(share)
    except (ValueError, ZeroDivisionError):
        return None


def write_down(manifest: Json, service: str, split: Split, mark: str) -> None:
    """Write the mark and the split into the annotations."""
    way = "" if split.way == "weights" else f" {split.way}"
    note(manifest, MARK + service, mark)
    note(manifest, SPLIT + service, f"{split.canary}/{split.total}{way}")


def places(manifest: Json, key: str) -> set[str]:
    """The routes that an annotation names, one a line."""
    return set(noted(manifest, key).splitlines())


def _notes(manifest: Json) -> Json:
    notes = (manifest.get("metadata") or {}).get("annotations")
    return notes if isinstance(notes, dict) else {}


def note(manifest: Json, key: str, value: str) -> None:
    """Write an annotation, or none if it would be empty."""
    notes = {name: said for name, said in _notes(manifest).items() if name != key}
    if value or key in _notes(manifest):
        manifest.setdefault("metadata", {})["annotations"] = notes | ({key: value} if value else {})
