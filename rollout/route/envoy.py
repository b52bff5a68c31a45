"""Envoy's route file: manifest -> split, and split -> the manifest with only weights changed."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from fractions import Fraction

from rollout.decide.split import Split
from rollout.errors import RouteError
from rollout.route.walk import Json, Weighted, actions, dicts, every_weighted, key, weight


@dataclass(frozen=True)
class Arms:
    """Names of the two clusters that share the traffic."""

    stable: str
    canary: str

    def __contains__(self, name: object) -> bool:
        return name in (self.stable, self.canary)


def patch(manifest: Json, arms: Arms, split: Split, mark: str) -> Json:
    """The manifest with `split` on every weighted route of these arms, and `mark` as its version.

    An arm that a route does not name yet is added, stable first and canary last; a canary without
    traffic is taken away again, because Envoy refuses a file that names a cluster it does not know
    and a rollback must pass. The mark also goes
    into the configuration's metadata, because Envoy shows a new version only of new content. All
    else stays as it is. A third cluster with a share is refused, unless the canary's share goes to
    zero: a rollback never waits. Raises RouteError.
    """
    patched = copy.deepcopy(manifest)
    owned = _owned(patched, arms)
    for weighted in owned:
        if split.canary:
            _refuse_others(weighted, arms)
        _set(weighted, arms.stable, split.stable, place=0)
        _set(weighted, arms.canary, split.canary, place=len(weighted.clusters))
        if not split.canary:
            _take_away(weighted, arms.canary)
        if (total := key(weighted.field, "total_weight")) in weighted.field:
            weighted.field[total] = sum(map(weight, weighted.clusters))
    _stamp(patched, {weighted.config for weighted in owned}, mark)
    return patched


def split_of(manifest: Json, arms: Arms, total: int) -> Split:
    """The split that a manifest shows, in parts of `total`. Raises RouteError if there is none."""
    shares = {_share(weighted, arms): weighted.place for weighted in _owned(manifest, arms)}
    if len(shares) > 1:
        said = ", ".join(f"{float(share):.4%} in {place}" for share, place in shares.items())
        raise RouteError(f"routes disagree on the share of {arms.canary}: {said}")
    return nearest(next(iter(shares)), total)


def nearest(share: Fraction, total: int) -> Split:
    """The nearest split to a share; an arm that has some traffic is never shown as having none."""
    canary = round(share * total)
    if 0 < share < 1 and total > 1:
        canary = min(max(canary, 1), total - 1)
    return Split(canary, total)


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
        raise RouteError(f"Envoy has no route configuration named {', '.join(sorted(missing))}")
    versions = {str(entry.get("version_info", "")) for entry in found.values()}
    resources = [found[name]["route_config"] for name in sorted(found)]
    return {"version_info": ", ".join(sorted(versions)), "resources": resources}


def _stamp(manifest: Json, names: set[str], mark: str) -> None:
    manifest[key(manifest, "version_info")] = mark
    for config in dicts(manifest["resources"]):
        if str(config.get("name", "")) in names:
            metadata = config.setdefault("metadata", {})
            metadata.setdefault(key(metadata, "filter_metadata"), {})["surefoot"] = {"mark": mark}


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


def _share(weighted: Weighted, arms: Arms) -> Fraction:
    _refuse_others(weighted, arms)
    stable, canary = weighted.weight(arms.stable), weighted.weight(arms.canary)
    if not stable + canary:
        raise RouteError(f"{weighted.place}: the weights sum to zero")
    return Fraction(canary, stable + canary)


def _refuse_others(weighted: Weighted, arms: Arms) -> None:
    for entry in weighted.clusters:
        if entry.get("name") not in arms and weight(entry):
            raise RouteError(
                f"{weighted.place}: {entry.get('name', 'a third cluster')} has weight "
                f"{weight(entry)}; only {arms.stable} and {arms.canary} may share the traffic"
            )


def _set(weighted: Weighted, name: str, value: int, place: int) -> None:
    if not weighted.entries(name):
        weighted.clusters.insert(place, {"name": name})
    first, *again = weighted.entries(name)
    first["weight"] = value
    for entry in again:
        entry["weight"] = 0


def _take_away(weighted: Weighted, name: str) -> None:
    """Remove what `_set` adds: last entries that say nothing but a weight."""
    while weighted.clusters[-1] == {"name": name, "weight": 0}:
        weighted.clusters.pop()
