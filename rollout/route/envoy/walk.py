"""Find routes and weights in Envoy's route configuration, in either spelling of its JSON."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from rollout.errors import RouteError
from rollout.route.manifest import Json, dicts, key

OURS = "surefoot"  # our key in a route's `filter_metadata`


@dataclass(frozen=True)
class Weighted:
    """One `weighted_clusters`; `clusters` is the live list of the manifest, not a copy."""

    config: str
    location: str
    field: Json
    clusters: list[Json]

    def entries(self, name: str) -> list[Json]:
        return [entry for entry in self.clusters if entry.get("name") == name]


def every_weighted(manifest: Json) -> Iterator[Weighted]:
    """Yield every `weighted_clusters`. Raises RouteError for another kind of document."""
    for config, route_name, action in actions(manifest):
        field = action.get(key(action, "weighted_clusters"))
        if isinstance(field, dict):
            yield Weighted(config, route_name, field, dicts(field.get("clusters")))


def tables(manifest: Json) -> Iterator[tuple[str, str, list[Json]]]:
    """Yield every list of routes, with its configuration's and its virtual host's name.

    The list is the live one of the manifest, not a copy.
    """
    for config in dicts(manifest.get("resources")):
        for host in dicts(config.get(key(config, "virtual_hosts"))):
            yield str(config.get("name", "")), str(host.get("name")), dicts(host.get("routes"))


def actions(manifest: Json) -> Iterator[tuple[str, str, Json]]:
    """Yield every route's action, with its configuration's name and the route's description.

    A route that we added for a segment has the number of the route that it precedes, so that
    messages count as the user's file does.
    """
    for config, host, routes in tables(manifest):
        number = 1
        for route in routes:
            if isinstance(action := route.get("route"), dict):
                yield config, f"route {number} of virtual host {host}", action
            number += not noted(route).get("segment")


def noted(route: Json) -> Json:
    """Return our notes in a route's metadata. Envoy keeps them and gives them no meaning."""
    metadata = route.get("metadata") or {}
    notes = (metadata.get(key(metadata, "filter_metadata")) or {}).get(OURS)
    return notes if isinstance(notes, dict) else {}


def weight(entry: Json) -> int:
    """Return an entry's weight; absent is zero, as in Envoy. Raises RouteError for a non-number."""
    try:
        return int(entry.get("weight") or 0)
    except (TypeError, ValueError):
        message = f"weight {entry['weight']!r} of {entry.get('name')} is no number"
        raise RouteError(message) from None
