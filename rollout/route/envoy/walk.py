"""Find routes and weights in Envoy's route configuration, in either spelling of its JSON."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from rollout.answers.float_text import read_whole
from rollout.errors import RouteError
from rollout.route.manifest import Json, dicts, key
from rollout.route.shape import NUMBER, WHOLE

OURS = "surefoot"  # our key in a route's `filter_metadata`
HOST = " of virtual host "  # before the host's name in a route's location

_METADATA = {"filter_metadata": {OURS: dict}}
_SHARE = {"default_value": {"numerator": NUMBER, "denominator": NUMBER}}
_MIRRORS = {"request_mirror_policies": [{"cluster": str, "runtime_fraction": _SHARE}]}
_ACTION = {
    "cluster": str,
    "weighted_clusters": {"clusters": [{"name": str, "weight": WHOLE}], "total_weight": WHOLE},
    "hash_policy": [dict],
    **_MIRRORS,
}
_ROUTE = {"match": dict, "metadata": _METADATA, "route": _ACTION}
_CONFIG = {
    "name": str,
    "metadata": _METADATA,
    "virtual_hosts": [{"name": str, "routes": [_ROUTE], **_MIRRORS}],
    **_MIRRORS,
    "alt_stat_name": str,  # a cluster file has the same form
}

ROUTES = {"version_info": str, "resources": [_CONFIG]}
"""The shape of a route file, and of a cluster file."""

DUMP = {
    "configs": [
        {
            "cluster": {"name": str, "health_checks": [dict]},
            "route_config": _CONFIG,
            "version_info": str,
            "dynamic_route_configs": [{"route_config": _CONFIG, "version_info": str}],
        }
    ]
}
"""The shape of a config dump; a route configuration in it is checked like the file's."""


@dataclass(frozen=True)
class Weighted:
    """The clusters of one route; `field` and `clusters` are of the manifest, not copies.

    A route with a single `cluster` has that one with weight 1, and its action as the field.
    """

    config: str
    location: str
    match: Json
    field: Json
    clusters: list[Json]

    def entries(self, name: str) -> list[Json]:
        return [entry for entry in self.clusters if entry.get("name") == name]


def every_weighted(manifest: Json) -> Iterator[Weighted]:
    """Yield every `weighted_clusters`. Raises RouteError for another kind of document."""
    for config, route_name, route in _described(manifest):
        field = route["route"].get(key(route["route"], "weighted_clusters"))
        if isinstance(field, dict):
            match, clusters = route.get("match") or {}, dicts(field.get("clusters"))
            yield Weighted(config, route_name, match, field, clusters)


def every_single(manifest: Json) -> Iterator[Weighted]:
    """Yield every route with a single `cluster`. Raises RouteError."""
    for config, route_name, route in _described(manifest):
        action = route["route"]
        if name := action.get("cluster"):
            match, clusters = route.get("match") or {}, [{"name": name, "weight": 1}]
            yield Weighted(config, route_name, match, action, clusters)


def tables(manifest: Json) -> Iterator[tuple[str, str, list[Json]]]:
    """Yield every list of routes, with its configuration's and its virtual host's name.

    The list is the live one of the manifest, not a copy.
    """
    for config in dicts(manifest.get("resources")):
        for host in dicts(config.get(key(config, "virtual_hosts"))):
            yield str(config.get("name", "")), str(host.get("name")), dicts(host.get("routes"))


def actions(manifest: Json) -> Iterator[tuple[str, str, Json]]:
    """Yield every route's action, with its configuration's name and the route's description."""
    for config, route_name, route in _described(manifest):
        yield config, route_name, route["route"]


def _described(manifest: Json) -> Iterator[tuple[str, str, Json]]:
    """Yield every route with an action, its configuration's name and its description.

    A route that we added for a segment has the number of the route that it precedes, so that
    messages count as the user's file does.
    """
    for config, host, routes in tables(manifest):
        number = 1
        for route in routes:
            if isinstance(route.get("route"), dict):
                yield config, f"route {number}{HOST}{host}", route
            number += not noted(route).get("segment")


def list_configs(manifest: Json) -> set[str]:
    """Return the names of all route configurations. Raises RouteError."""
    return {str(config.get("name", "")) for config in dicts(manifest.get("resources"))}


def noted(route: Json) -> Json:
    """Return our notes in a route's metadata. Envoy keeps them and gives them no meaning."""
    metadata = route.get("metadata", {})
    notes: Json = metadata.get(key(metadata, "filter_metadata"), {}).get(OURS, {})
    return notes


def note(message: Json, what: str, *, value: Any) -> None:
    """Record one value in the metadata of a route or configuration, under our key."""
    metadata = message.setdefault("metadata", {})
    notes = metadata.setdefault(key(metadata, "filter_metadata"), {}).setdefault(OURS, {})
    notes[what] = value


def forget(message: Json, *names: str) -> None:
    """Remove what we noted under these names, and the objects that this leaves empty."""
    notes = noted(message)
    own = [name for name in names if name in notes]
    for name in own:
        del notes[name]
    if not own or notes:
        return
    metadata = message["metadata"]
    filters = metadata[field := key(metadata, "filter_metadata")]
    del filters[OURS]
    if not filters:
        del metadata[field]
    if not metadata:
        del message["metadata"]


def weight(entry: Json) -> int:
    """Return an entry's weight; absent is zero, as in Envoy. Raises RouteError for a non-number."""
    try:
        text = entry.get("weight") or 0
        # Protobuf's JSON allows numbers in quotes, and Python's also `1_0` and blanks.
        return read_whole(text) if isinstance(text, str) else int(text)
    except (TypeError, ValueError, OverflowError):
        message = f"weight {entry['weight']!r} of {entry.get('name')} is no number"
        raise RouteError(message) from None
