"""Envoy's route file: manifest -> split, and split -> the manifest with only weights changed."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import ClassVar

from rollout.decide.record.split import Split
from rollout.errors import RouteError
from rollout.route.envoy.walk import Weighted, actions, every_weighted, weight
from rollout.route.manifest import Json, dicts, key
from rollout.route.weighted_route import Arm, WeightedRoute, move, nearest


@dataclass(frozen=True)
class Arms:
    """Names of a plan's two clusters, weights relative to their sum, and of the one for copies."""

    stable: str
    canary: str
    shadow: str = ""

    absent: ClassVar[int] = 0
    lone: ClassVar[bool] = False  # Envoy refuses weights that sum to zero
    most: ClassVar[int] = 2**31 - 1  # the sum is a uint32

    def __contains__(self, name: object) -> bool:
        return name in (self.stable, self.canary)

    def arm_of(self, entry: Json) -> Arm | None:
        arms: dict[object, Arm] = {self.stable: "stable", self.canary: "canary"}
        return arms.get(entry.get("name"))

    def entry(self, arm: Arm, like: Json) -> Json:
        """Nothing but the name: what the other arm's entry says of headers stays its own."""
        del like
        return {"name": self.name(arm)}

    def name(self, arm: Arm) -> str:
        return self.stable if arm == "stable" else self.canary


def patch(manifest: Json, arms: Arms, split: Split, mark: str) -> Json:
    """The manifest with `split` on every weighted route of these arms, and `mark` as its version.

    An arm that a route does not name yet is added, stable first and canary last; a canary without
    traffic is taken away again, because Envoy refuses a file that names a cluster it does not know
    and a rollback must pass. The mark also goes into the configuration's metadata, because Envoy
    shows a new version only of new content. A third cluster keeps its share of the traffic; all
    else stays as it is. Raises RouteError.
    """
    patched = copy.deepcopy(manifest)
    owned = _owned(patched, arms)
    for weighted in owned:
        fork = _fork(weighted, arms)
        move(fork, split)
        if not split.canary:
            _take_away(fork)
        if (total := key(weighted.field, "total_weight")) in weighted.field:
            weighted.field[total] = sum(map(weight, weighted.clusters))
    _stamp(patched, {weighted.config for weighted in owned}, mark)
    return patched


def split_of(manifest: Json, arms: Arms, total: int) -> Split:
    """The split that a manifest shows, in parts of `total`. Raises RouteError if there is none."""
    forks = [_fork(weighted, arms) for weighted in _owned(manifest, arms)]
    shares = {fork.share(): fork.place for fork in forks}
    if len(shares) > 1:
        said = ", ".join(f"{float(share):.4%} in {place}" for share, place in shares.items())
        raise RouteError(f"routes disagree on the share of {arms.canary}: {said}")
    return nearest(next(iter(shares)), total)


def names_of(manifest: Json, arms: Arms) -> set[str]:
    """Names of the route configurations where these arms have weights. Raises RouteError."""
    return {weighted.config for weighted in _owned(manifest, arms)}


def clusters_of(manifest: Json) -> set[str]:
    """Every cluster that has a weight, zero included. Raises RouteError."""
    return {
        str(entry["name"])
        for weighted in every_weighted(manifest)
        for entry in weighted.clusters
        if entry.get("name")
    }


def version_of(manifest: Json) -> str:
    """The manifest's version, empty if it has none."""
    return str(manifest.get(key(manifest, "version_info"), ""))


def shown(dump: Json, names: set[str]) -> Json:
    """The named route configurations of Envoy's `/config_dump`, as one manifest.

    Its version is the one that all of them show, or all of theirs. Raises RouteError when Envoy
    does not have one of them.
    """
    found: dict[str, Json] = {}
    for item in dicts(dump.get("configs")):
        for entry in (item, *dicts(item.get("dynamic_route_configs"))):
            config = entry.get("route_config")
            if isinstance(config, dict) and config.get("name") in names:
                found[str(config["name"])] = entry
    if missing := names - found.keys():
        said = f"Envoy has no route configuration named {', '.join(sorted(missing))}"
        raise RouteError(said, unread=True)
    versions = {str(entry.get("version_info", "")) for entry in found.values()}
    resources = [found[name]["route_config"] for name in sorted(found)]
    return {"version_info": ", ".join(sorted(versions)), "resources": resources}


def _stamp(manifest: Json, names: set[str], mark: str) -> None:
    manifest[key(manifest, "version_info")] = mark
    for config in dicts(manifest["resources"]):
        if str(config.get("name", "")) in names:
            metadata = config.setdefault("metadata", {})
            filters = metadata.setdefault(key(metadata, "filter_metadata"), {})
            filters.setdefault("surefoot", {})["mark"] = mark


def _owned(manifest: Json, arms: Arms) -> list[Weighted]:
    owned = [
        weighted
        for weighted in every_weighted(manifest)
        if any(entry.get("name") in arms for entry in weighted.clusters)
    ]
    if owned:
        return owned
    plain = [place for _, place, action in actions(manifest) if action.get("cluster") in arms]
    hint = f"; {plain[0]} needs `weighted_clusters` instead of `cluster`" if plain else ""
    raise RouteError(f"no route has weights for cluster {arms.stable} or {arms.canary}{hint}")


def _fork(weighted: Weighted, arms: Arms) -> WeightedRoute:
    return WeightedRoute(weighted.place, weighted.clusters, arms)


def _take_away(fork: WeightedRoute) -> None:
    """Remove what `move` adds: last entries that say nothing but a weight."""
    while fork.entries and fork.entries[-1] == {"name": fork.mesh.name("canary"), "weight": 0}:
        fork.entries.pop()
