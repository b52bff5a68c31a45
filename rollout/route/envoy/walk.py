"""Where weights live in Envoy's route configuration, in either spelling of its JSON."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from rollout.errors import RouteError
from rollout.route.manifest import Json, dicts, key

OURS = "surefoot"  # the key of what we write into metadata


@dataclass(frozen=True)
class Weighted:
    """One `weighted_clusters`: `clusters` is the live list in it, not a copy."""

    config: str
    place: str
    field: Json
    clusters: list[Json]

    def entries(self, name: str) -> list[Json]:
        return [entry for entry in self.clusters if entry.get("name") == name]


def every_weighted(manifest: Json) -> Iterator[Weighted]:
    """Every `weighted_clusters` of a manifest. Raises RouteError for another kind of document."""
    for config, place, action in actions(manifest):
        field = action.get(key(action, "weighted_clusters"))
        if isinstance(field, dict):
            yield Weighted(config, place, field, dicts(field.get("clusters")))


def tables(manifest: Json) -> Iterator[tuple[str, str, list[Json]]]:
    """Every list of routes, not a copy, after the names of its configuration and its host."""
    for config in dicts(manifest.get("resources")):
        for host in dicts(config.get(key(config, "virtual_hosts"))):
            yield str(config.get("name", "")), str(host.get("name")), dicts(host.get("routes"))


def actions(manifest: Json) -> Iterator[tuple[str, str, Json]]:
    """Every route's action, after its configuration's name and its place in words.

    A route that we put there for a segment has the place of the one that it stands before.
    """
    for config, host, routes in tables(manifest):
        number = 1
        for route in routes:
            if isinstance(action := route.get("route"), dict):
                yield config, f"route {number} of virtual host {host}", action
            number += not noted(route).get("segment")


def noted(route: Json) -> Json:
    """What we wrote about a route in its metadata; Envoy keeps it and does nothing with it."""
    metadata = route.get("metadata") or {}
    found = (metadata.get(key(metadata, "filter_metadata")) or {}).get(OURS)
    return found if isinstance(found, dict) else {}


def weight(entry: Json) -> int:
    """An entry's weight; none is zero, as Envoy reads it. Raises RouteError for no number."""
    try:
        return int(entry.get("weight") or 0)
    except (TypeError, ValueError):
        said = f"weight {entry['weight']!r} of {entry.get('name')} is no number"
        raise RouteError(said) from None
