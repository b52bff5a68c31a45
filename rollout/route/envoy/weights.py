"""Read the split of Envoy's route file, and write one by changing only its weights."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import ClassVar

from rollout.decide.record.split import Split
from rollout.errors import RouteError
from rollout.route.envoy.walk import Weighted, actions, every_weighted, weight
from rollout.route.manifest import Json, dicts, key
from rollout.route.nearest import format_shares, nearest
from rollout.route.timeout import find_longest_timeout
from rollout.route.weighted_route import TWO_ARMS, Arm, WeightedRoute, move


@dataclass(frozen=True)
class Arms:
    """The names of a plan's two clusters, and of the shadow cluster for mirrored requests.

    Implements `Mesh`: weights are relative to their sum.
    """

    stable: str
    canary: str
    shadow: str = ""

    arms: ClassVar[tuple[Arm, ...]] = TWO_ARMS
    default_weight: ClassVar[int] = 0
    single_takes_all: ClassVar[bool] = False  # Envoy refuses weights that sum to zero
    max_weight: ClassVar[int] = 2**31 - 1  # the sum is a uint32
    carries: ClassVar[tuple[str, ...]] = ()

    def __contains__(self, name: object) -> bool:
        return name in (self.stable, self.canary)

    def arm_of(self, entry: Json) -> Arm | None:
        arms: dict[object, Arm] = {self.stable: "stable", self.canary: "canary"}
        return arms.get(entry.get("name"))

    def impostor(self, entry: Json) -> Arm | None:
        """Return None: another host or cluster is another destination."""
        del entry
        return None

    def target(self, entry: Json) -> str:
        return str(entry.get("name"))

    def entry(self, arm: Arm, like: Json) -> Json:
        """Return the name alone: header changes of the other arm's entry are not copied."""
        del like
        return {"name": self.name(arm)}

    def name(self, arm: Arm) -> str:
        return self.stable if arm == "stable" else self.canary


def patch(manifest: Json, arms: Arms, split: Split, write_id: str) -> Json:
    """Set `split` on every weighted route of these arms, and the write id as the version.

    An arm that a route does not name yet is added, stable first and canary last. An added canary
    without traffic is removed again: Envoy rejects a file that names a cluster it does not know,
    and a rollback must pass. The write id also goes into each configuration's metadata, because
    Envoy shows a new version only when the content changed. A third cluster keeps its share of the
    traffic; all else stays as it is. Raises RouteError.
    """
    patched = copy.deepcopy(manifest)
    owned = _find_owned(patched, arms)
    for weighted in owned:
        route = _as_weighted_route(weighted, arms)
        move(route, split)
        if not split.canary:
            _remove_added_canary(route)
        if (total := key(weighted.field, "total_weight")) in weighted.field:
            weighted.field[total] = sum(map(weight, weighted.clusters))
    _stamp(patched, {weighted.config for weighted in owned}, write_id)
    return patched


def split_of(manifest: Json, arms: Arms, total: int) -> Split:
    """Return the split of a manifest, in parts of `total`. Raises RouteError if there is none."""
    routes = [_as_weighted_route(weighted, arms) for weighted in _find_owned(manifest, arms)]
    shares = {route.shares(): route.location for route in routes}
    if len(shares) > 1:
        shares_text = ", ".join(
            f"{format_shares(share)} in {route_name}" for share, route_name in shares.items()
        )
        raise RouteError(f"routes disagree on the share of {arms.canary}: {shares_text}")
    return nearest(next(iter(shares)), total)


def find_timeout(manifest: Json, arms: Arms) -> float | None:
    """Return the longest time-out (seconds) of the routes with these arms; None if unknown."""
    fields = [weighted.field for weighted in _find_owned(manifest, arms)]
    return find_longest_timeout(
        action
        for _, _, action in actions(manifest)
        if action.get(key(action, "weighted_clusters")) in fields
    )


def names_of(manifest: Json, arms: Arms) -> set[str]:
    """Return the route configurations in which these arms have weights. Raises RouteError."""
    return {weighted.config for weighted in _find_owned(manifest, arms)}


def clusters_of(manifest: Json) -> set[str]:
    """Return every cluster that has a weight, also of zero. Raises RouteError."""
    return {
        str(entry["name"])
        for weighted in every_weighted(manifest)
        for entry in weighted.clusters
        if entry.get("name")
    }


def version_of(manifest: Json) -> str:
    """Return the manifest's version; empty if it has none."""
    return str(manifest.get(key(manifest, "version_info"), ""))


def shown(dump: Json, names: set[str]) -> Json:
    """Return the named route configurations of Envoy's `/config_dump`, as one manifest.

    Its version is the one that all of them show, or a list of theirs. Raises RouteError if Envoy
    lacks one of them.
    """
    dumped: dict[str, Json] = {}
    for item in dicts(dump.get("configs")):
        for entry in (item, *dicts(item.get("dynamic_route_configs"))):
            config = entry.get("route_config")
            if isinstance(config, dict) and config.get("name") in names:
                dumped[str(config["name"])] = entry
    if missing := names - dumped.keys():
        message = f"Envoy has no route configuration named {', '.join(sorted(missing))}"
        raise RouteError(message, unread=True)
    versions = {str(entry.get("version_info", "")) for entry in dumped.values()}
    resources = [dumped[name]["route_config"] for name in sorted(dumped)]
    return {"version_info": ", ".join(sorted(versions)), "resources": resources}


def _stamp(manifest: Json, names: set[str], write_id: str) -> None:
    manifest[key(manifest, "version_info")] = write_id
    for config in dicts(manifest["resources"]):
        if str(config.get("name", "")) in names:
            metadata = config.setdefault("metadata", {})
            filters = metadata.setdefault(key(metadata, "filter_metadata"), {})
            filters.setdefault("surefoot", {})["mark"] = write_id


def _find_owned(manifest: Json, arms: Arms) -> list[Weighted]:
    """Return the weighted routes that name an arm. Raises RouteError if there is none."""
    owned = [
        weighted
        for weighted in every_weighted(manifest)
        if any(entry.get("name") in arms for entry in weighted.clusters)
    ]
    if owned:
        return owned
    unweighted = [
        route_name for _, route_name, action in actions(manifest) if action.get("cluster") in arms
    ]
    hint = f"; {unweighted[0]} needs `weighted_clusters` instead of `cluster`" if unweighted else ""
    raise RouteError(f"no route has weights for cluster {arms.stable} or {arms.canary}{hint}")


def _as_weighted_route(weighted: Weighted, arms: Arms) -> WeightedRoute:
    return WeightedRoute(weighted.location, weighted.clusters, arms)


def _remove_added_canary(route: WeightedRoute) -> None:
    """Remove what `move` added: entries at the end that have only a name and weight 0."""
    names = [route.mesh.name(arm) for arm in route.mesh.arms[1:]]
    added = [{"name": name, "weight": 0} for name in names]
    while route.entries and route.entries[-1] in added:
        route.entries.pop()
