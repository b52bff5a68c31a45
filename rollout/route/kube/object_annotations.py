"""What we write down in an object's annotations, and the split that it shows by them."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from functools import partial
from itertools import zip_longest

from rollout.decide.record.split import Split, Way
from rollout.errors import RouteError
from rollout.route.manifest import Json
from rollout.route.nearest import format_shares, nearest
from rollout.route.weighted_route import WeightedRoute

# Each key ends in the service, so that rollouts of two services can share one object.
MARK, SPLIT, ADDED = "mark.surefoot.dev/", "split.surefoot.dev/", "added.surefoot.dev/"
COPIED, BEFORE, ROUTES = "copied.surefoot.dev/", "before.surefoot.dev/", "routes.surefoot.dev/"
POLICY = "policy.surefoot.dev/"

MADE_ONLY = "made"  # mode of a split that only says where traffic goes before the first step

Shares = tuple[Fraction, ...]  # one for each canary; empty where none has any


def split_of(routes: Sequence[WeightedRoute], written: Shares | None, total: int) -> Split:
    """Return the split that the routes show together, in parts of `total`.

    Where they differ and one still has the shares `written` by our last patch, somebody moved
    another: the shares farthest from ours are returned, so that the drift is noticed. Raises
    RouteError if they differ and none has the shares that we wrote.
    """
    shares = {route.shares(): route for route in routes}
    if len(shares) == 1:
        return nearest(next(iter(shares)), total)
    if written is not None and written in shares:
        return nearest(max(shares, key=partial(_measure_distance, written)), total)
    shares_text = ", ".join(
        f"{format_shares(share)} in {route.location}" for share, route in shares.items()
    )
    raise RouteError(
        f"routes disagree on the share of {routes[0].mesh.name('canary')}: {shares_text}"
    )


def _measure_distance(shares: Shares, others: Shares) -> Fraction:
    pairs = zip_longest(shares, others, fillvalue=Fraction(0))
    return sum((abs(share - other) for share, other in pairs), Fraction(0))


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


def written(manifest: Json, service: str, way: Way) -> Shares | None:
    """Return the canaries' shares that our last patch wrote in this mode; None without a patch.

    A patch in another mode left the routes' own weights at stable: then no canary has a share.
    """
    text, _, mode = read_annotation(manifest, SPLIT + service).partition(" ")
    if text and (mode or "weights") != way:
        return ()
    weights, _, total = text.partition("/")
    try:
        shares = tuple(Fraction(f"{weight}/{total}") for weight in weights.split("+"))
    except (ValueError, ZeroDivisionError):
        return None
    return shares if any(shares) else ()


def write_down(
    manifest: Json, service: str, split: Split, write_id: str, *, is_begun: bool = True
) -> None:
    """Record the write id and the split, as `5/100`, or `3+2/100 segment` of two canaries.

    `0/100 made` is a first write that gives the canary nothing: the rollout has yet to begin.
    """
    mode = split.way if split.canary or is_begun else MADE_ONLY
    way = "" if mode == "weights" else f" {mode}"
    weights = "+".join(map(str, split.canaries or [split.canary]))
    note(manifest, MARK + service, write_id)
    note(manifest, SPLIT + service, f"{weights}/{split.total}{way}")


def list_keys(manifest: Json) -> list[str]:
    """Return the keys of an object's annotations."""
    return [*_read_annotations(manifest)]


def _read_annotations(manifest: Json) -> Json:
    notes = (manifest.get("metadata") or {}).get("annotations")
    return notes if isinstance(notes, dict) else {}


def note(manifest: Json, key: str, value: str) -> None:
    """Set an annotation, or remove it if the value is empty."""
    notes = {name: text for name, text in _read_annotations(manifest).items() if name != key}
    if value or key in _read_annotations(manifest):
        manifest.setdefault("metadata", {})["annotations"] = notes | ({key: value} if value else {})
