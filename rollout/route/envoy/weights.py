"""Read the split of Envoy's route file, and write one by changing only its weights."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from rollout.decide.record.split import Split
from rollout.decide.record.write_id import find_rollout
from rollout.errors import RouteError
from rollout.route.content import Noted
from rollout.route.envoy.moves import ADDED, list_added, move_all, note_added
from rollout.route.envoy.routes import as_weighted_route, find_routes
from rollout.route.envoy.walk import Weighted, actions, every_weighted, forget, note, noted
from rollout.route.manifest import Json, dicts, key
from rollout.route.nearest import nearest
from rollout.route.shares import format_split, parse_shares, read_together
from rollout.route.timeout import find_longest_timeout
from rollout.route.weighted_route import TWO_ARMS, Arm

_MARK, _SPLIT = "mark", "split"  # keys of our notes: the last write, and what it set
_NOTES = _MARK, _SPLIT, ADDED


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


def patch(
    manifest: Json,
    arms: Arms,
    split: Split,
    write_id: str,
    before: tuple[str, ...] | None = None,
    *,
    back: bool = False,
    is_last: bool = False,
) -> Json:
    """Set `split` on the plan's routes, and the write id as the version.

    On the way `back` strays move too (see `routes`), and a file without a route of ours only gets
    the write id: there is nothing to take back.

    An arm that a route does not name yet is added, stable first and canary last. An added canary
    without traffic is removed again: Envoy rejects a file that names a cluster it does not know,
    and a rollback must pass. The write id also goes into each configuration's metadata, because
    Envoy shows a new version only when the content changed; the last write removes all of that. A
    third cluster keeps its share of the traffic; all else stays as it is. Raises RouteError.
    """
    patched = copy.deepcopy(manifest)
    leading = find_routes(patched, arms, before)
    is_gone = back and before is not None and not leading.planned
    owned = [] if is_gone else [*_require_planned(patched, arms, before)]
    owned += leading.strays if back else ()
    added = move_all(owned, arms, split, before, list_added(patched))
    names = list_configs(patched) if is_gone else {weighted.config for weighted in owned}
    _stamp(patched, names, write_id, format_split(split) if split.canary else "", added)
    if is_last:
        _forget_own(patched, write_id)
    return patched


def split_of(
    manifest: Json, arms: Arms, total: int, before: tuple[str, ...] | None = None
) -> Split:
    """Return the split of the plan's routes, in parts of `total`.

    After our first write, strays take their place where they are gone, and the canary gets nothing
    without either. Raises RouteError where there are none before it.
    """
    leading = find_routes(manifest, arms, before)
    if before is not None and not leading.planned:
        return stray_split_of(manifest, arms, total, before)
    planned = _require_planned(manifest, arms, before)
    texts = (noted(config).get(_SPLIT, "") for config in dicts(manifest.get("resources")))
    written = next((shares for text in texts if (shares := parse_shares(str(text)))), None)
    routes = [as_weighted_route(route, arms) for route in planned]
    return read_together(routes, written, total, is_begun=before is not None)


def stray_split_of(manifest: Json, arms: Arms, total: int, before: tuple[str, ...] | None) -> Split:
    """Return the largest share that a stray gives the canary. Raises RouteError."""
    strays = find_routes(manifest, arms, before).strays
    return nearest(max((as_weighted_route(r, arms).shares() for r in strays), default=()), total)


def find_timeout(manifest: Json, arms: Arms, before: tuple[str, ...] | None = None) -> float | None:
    """Return the longest time-out (seconds) of the plan's routes; None if unknown."""
    fields = [weighted.field for weighted in find_routes(manifest, arms, before).planned]
    return find_longest_timeout(
        action
        for _, _, action in actions(manifest)
        if action.get(key(action, "weighted_clusters")) in fields
    )


def names_of(manifest: Json, arms: Arms, before: tuple[str, ...] | None = None) -> set[str]:
    """Return the route configurations in which these arms have weights.

    None may have them any more after our first write. Raises RouteError where none has before it.
    """
    weighted = {
        weighted.config
        for weighted in every_weighted(manifest)
        if any(entry.get("name") in arms for entry in weighted.clusters)
    }
    if not weighted and before is None:
        _require_planned(manifest, arms, before)
    return weighted


def list_configs(manifest: Json) -> set[str]:
    """Return the names of all route configurations. Raises RouteError."""
    return {str(config.get("name", "")) for config in dicts(manifest.get("resources"))}


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


def _stamp(
    manifest: Json, names: set[str], write_id: str, split: str, added: Mapping[str, Noted]
) -> None:
    """Note the write id, the split and where the canary is new in the changed configurations."""
    manifest[key(manifest, "version_info")] = write_id
    for config in dicts(manifest.get("resources")):
        name = str(config.get("name", ""))
        if name in names:
            forget(config, *_NOTES)
            note(config, _MARK, value=write_id)
            if split:
                note(config, _SPLIT, value=split)
            if name in added:
                note_added(config, added[name])


def _forget_own(manifest: Json, write_id: str) -> None:
    """Remove the notes of the rollout that a write id names, in every configuration."""
    for config in dicts(manifest.get("resources")):
        mark = str(noted(config).get(_MARK, ""))
        if mark == write_id or (mark and find_rollout(mark) == find_rollout(write_id)):
            forget(config, *_NOTES)


def _require_planned(
    manifest: Json, arms: Arms, before: tuple[str, ...] | None
) -> tuple[Weighted, ...]:
    """Return the plan's routes. Raises RouteError if there is none."""
    planned = find_routes(manifest, arms, before).planned
    if planned:
        return planned
    unweighted = [
        route_name for _, route_name, action in actions(manifest) if action.get("cluster") in arms
    ]
    hint = f"; {unweighted[0]} needs `weighted_clusters` instead of `cluster`" if unweighted else ""
    raise RouteError(f"no route has weights for cluster {arms.stable} or {arms.canary}{hint}")
