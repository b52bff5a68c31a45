"""Set the weights of an object's routes, and record in annotations what we wrote."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from rollout.decide.record.split import Split, Way
from rollout.errors import RouteError
from rollout.route.manifest import Json
from rollout.route.weighted_route import WeightedRoute, move, nearest, take_away

# Each key ends in the service, so that rollouts of two services can share one object.
MARK, SPLIT, ADDED = "mark.surefoot.dev/", "split.surefoot.dev/", "added.surefoot.dev/"
COPIED = "copied.surefoot.dev/"
POLICY = "policy.surefoot.dev/"


def split_of(forks: Sequence[WeightedRoute], written: Fraction | None, total: int) -> Split:
    """Return the split that the routes show together, in parts of `total`.

    Where they differ and one still has the share `written` by our last patch, somebody moved
    another: the share farthest from ours is returned, so that the drift is noticed. Raises
    RouteError if they differ and none has the share that we wrote.
    """
    shares = {fork.share(): fork for fork in forks}
    if len(shares) == 1:
        return nearest(next(iter(shares)), total)
    if written in shares:
        return nearest(max(shares, key=lambda share: abs(share - (written or 0))), total)
    shares_text = ", ".join(
        f"{float(share):.4%} in {fork.location}" for share, fork in shares.items()
    )
    raise RouteError(
        f"routes disagree on the share of {forks[0].mesh.name('canary')}: {shares_text}"
    )


def move_all(forks: Sequence[WeightedRoute], split: Split, added: set[str]) -> set[str]:
    """Move every route to a split; return the routes whose canary entry was added by us.

    `added` names those that earlier patches added. Such an entry is removed when the canary's
    traffic ends. Raises RouteError.
    """
    for fork in forks:
        if move(fork, split):
            added = added | {fork.location}
        if not split.canary and fork.location in added:
            take_away(fork)
    # At 0 our entries are gone; at full traffic they are the route's real entries: nothing is
    # left to remove later.
    return set() if split.canary in (0, split.total) else added


def read_write_id(manifest: Json, service: str) -> str:
    """Return the id that was written with the weights; empty if there is none."""
    return read_annotation(manifest, MARK + service)


def read_annotation(manifest: Json, key: str) -> str:
    """Return an annotation's value; empty if there is none."""
    return str(_read_annotations(manifest).get(key, ""))


def difference(live: Json, wanted: Json) -> Json:
    """Return a JSON merge patch (RFC 7396) between two documents; lists go as a whole."""
    patch: Json = {key: None for key in live if key not in wanted}
    for key, value in wanted.items():
        before = live.get(key)
        if isinstance(value, dict) and isinstance(before, dict):
            if inner := difference(before, value):
                patch[key] = inner
        elif key not in live or before != value:
            patch[key] = value
    return patch


def written(manifest: Json, service: str, way: Way) -> Fraction | None:
    """Return the share that our last patch wrote in this mode; None if there was no patch.

    A patch in another mode left the routes' own weights at stable, which is share 0.
    """
    share, _, mode = read_annotation(manifest, SPLIT + service).partition(" ")
    if share and (mode or "weights") != way:
        return Fraction(0)
    try:
        return Fraction(share)
    except (ValueError, ZeroDivisionError):
        return None


def write_down(manifest: Json, service: str, split: Split, write_id: str) -> None:
    """Record the write id and the split in the annotations."""
    way = "" if split.way == "weights" else f" {split.way}"
    note(manifest, MARK + service, write_id)
    note(manifest, SPLIT + service, f"{split.canary}/{split.total}{way}")


def places(manifest: Json, key: str) -> set[str]:
    """Return the routes that an annotation names, one per line."""
    return set(read_annotation(manifest, key).splitlines())


def _read_annotations(manifest: Json) -> Json:
    notes = (manifest.get("metadata") or {}).get("annotations")
    return notes if isinstance(notes, dict) else {}


def note(manifest: Json, key: str, value: str) -> None:
    """Set an annotation, or remove it if the value is empty."""
    notes = {name: text for name, text in _read_annotations(manifest).items() if name != key}
    if value or key in _read_annotations(manifest):
        manifest.setdefault("metadata", {})["annotations"] = notes | ({key: value} if value else {})
