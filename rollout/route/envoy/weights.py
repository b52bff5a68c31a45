"""Read the split of Envoy's route file, and write one by changing only its weights."""

from __future__ import annotations

from collections.abc import Mapping

from rollout.answers.json_text import copy_json
from rollout.decide.record.split import Split
from rollout.decide.record.write_id import find_rollout
from rollout.errors import RouteError
from rollout.route.content import Noted
from rollout.route.envoy.arms import Arms
from rollout.route.envoy.moves import move_all
from rollout.route.envoy.notes import ADDED, MARK, SPLIT, read_notes, write_notes
from rollout.route.envoy.routes import as_weighted_route, find_routes
from rollout.route.envoy.walk import Weighted, actions, every_weighted, list_configs
from rollout.route.manifest import Json, dicts, key
from rollout.route.nearest import nearest
from rollout.route.shares import format_split, parse_shares, read_together
from rollout.route.timeout import find_longest_timeout


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
    patched = copy_json(manifest)
    leading = find_routes(patched, arms, before)
    is_gone = back and before is not None and not leading.planned
    owned = [] if is_gone else [*_require_planned(patched, arms, before)]
    owned += leading.strays if back else ()
    added = move_all(patched, owned, arms, split, before)
    names = list_configs(patched) if is_gone else {weighted.config for weighted in owned}
    patched[key(patched, "version_info")] = write_id
    notes = {MARK: write_id} | ({SPLIT: format_split(split)} if split.canary else {})
    _stamp(patched, arms.service, names, notes, added)
    if is_last:
        _forget_own(patched, arms, write_id)
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
    configs = dicts(manifest.get("resources"))
    texts = (str(read_notes(config, arms.service).get(SPLIT, "")) for config in configs)
    written = next((shares for text in texts if (shares := parse_shares(text))), None)
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
    manifest: Json, service: str, names: set[str], notes: Json, added: Mapping[str, Noted]
) -> None:
    """Leave our notes in the changed configurations, and where the canary is new in each."""
    for config in dicts(manifest.get("resources")):
        name = str(config.get("name", ""))
        if name in names:
            own: Json = {ADDED: [*added[name].lines]} if name in added else {}
            write_notes(config, service, notes | own)


def _forget_own(manifest: Json, arms: Arms, write_id: str) -> None:
    """Remove the notes of the rollout that a write id names, in every configuration."""
    for config in dicts(manifest.get("resources")):
        mark = str(read_notes(config, arms.service).get(MARK, ""))
        if mark == write_id or (mark and find_rollout(mark) == find_rollout(write_id)):
            write_notes(config, arms.service, {})


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
