"""Patches of forks in an object, and the annotations that say what we wrote there."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from fractions import Fraction

from rollout.decide.split import Split
from rollout.errors import RouteError
from rollout.route.envoy import nearest
from rollout.route.share import Fork, move, take_away
from rollout.route.walk import Json

# Annotations by service, so that rollouts of two services may share one object.
MARK, SPLIT, ADDED = "mark.surefoot.dev/", "split.surefoot.dev/", "added.surefoot.dev/"


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


def patch(
    manifest: Json, forks: Callable[[Json], Sequence[Fork]], service: str, split: Split, mark: str
) -> Json:
    """The smallest merge patch to `split` on every fork, and to our mark; empty if all is there.

    A canary's entry that a patch of ours added goes again with its traffic; which ones those are
    stands in an annotation until the rollout ends. Raises RouteError, and then nothing moves.
    """
    if split.way != "weights":
        raise RouteError(f"this mesh knows weights only, no {split.way}")
    wanted = copy.deepcopy(manifest)
    added = _added(manifest, service)
    for fork in forks(wanted):
        if move(fork, split):
            added.add(fork.place)
        if not split.canary and fork.place in added:
            take_away(fork)
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
