"""What we write down in an object's annotations."""

from __future__ import annotations

from collections.abc import Collection

from rollout.decide.record.split import Split, Way
from rollout.route.content import parse_noted
from rollout.route.manifest import Json
from rollout.route.shares import Shares, format_split, parse_shares

# Each key ends in the service, so that rollouts of two services can share one object.
MARK, SPLIT, ADDED = "mark.surefoot.dev/", "split.surefoot.dev/", "added.surefoot.dev/"
COPIED, BEFORE, ROUTES = "copied.surefoot.dev/", "before.surefoot.dev/", "routes.surefoot.dev/"
POLICY = "policy.surefoot.dev/"
_OF_WEIGHTS = MARK, SPLIT, ADDED, COPIED, BEFORE, ROUTES

MADE_ONLY = "made"  # mode of a split that only says where traffic goes before the first step


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
    return parse_shares(text)


def write_down(
    manifest: Json, service: str, split: Split, write_id: str, *, is_begun: bool = True
) -> None:
    """Record the write id and the split, as `5/100`, or `3+2/100 segment` of two canaries.

    `0/100 made` is a first write that gives the canary nothing: the rollout has yet to begin.
    """
    mode = split.way if split.canary or is_begun else MADE_ONLY
    way = "" if mode == "weights" else f" {mode}"
    note(manifest, MARK + service, write_id)
    note(manifest, SPLIT + service, f"{format_split(split)}{way}")


def erase(manifest: Json, service: str, *, is_promoted: bool = False) -> None:
    """Remove all that writes of weights noted for a service whose rollout ends.

    After a promotion others must still know which routes are not theirs. So that note goes with the
    last rollout in the object, as do those that others left for it.
    """
    has_others = bool(_list_open(manifest, service))
    lasting = {ROUTES + service} if is_promoted and has_others else set()
    left = [] if has_others else [key for key in list_keys(manifest) if key.startswith(ROUTES)]
    for key in (*(key + service for key in _OF_WEIGHTS), *left):
        if key not in lasting:
            note(manifest, key, "")


def erase_ended(manifest: Json, service: str, recorded: Collection[str]) -> None:
    """Remove which routes ended rollouts of others moved, once only this one needs to know it.

    That is so where no other is open, and the journal has them all `recorded` by fingerprint.
    """
    if _list_open(manifest, service):
        return
    for key in list_keys(manifest):
        is_others = key.startswith(ROUTES) and key != ROUTES + service
        if is_others and {*_list_fingerprints(manifest, key)} <= {*recorded}:
            note(manifest, key, "")


def _list_fingerprints(manifest: Json, key: str) -> list[str]:
    """Return the fingerprints of the routes that a note lists, without where these lead."""
    noted = parse_noted(read_annotation(manifest, key)).routes
    return [route.fingerprint for route in noted if route.fingerprint]


def _list_open(manifest: Json, service: str) -> list[str]:
    """Return the other services with a rollout that moves some routes of the object.

    It has a mark and a list of these. A mark alone is of an older version, which left it, or of a
    rollout that has moved nothing yet.
    """
    keys = list_keys(manifest)
    marked = [key.removeprefix(MARK) for key in keys if key.startswith(MARK)]
    return [other for other in marked if other != service and ROUTES + other in keys]


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
