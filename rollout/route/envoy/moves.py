"""Move the weights of an Envoy's routes, and back to what they were."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rollout.decide.record.split import Split
from rollout.route.before import Before, restore_weights
from rollout.route.content import Noted, note_routes
from rollout.route.envoy.arms import Arms
from rollout.route.envoy.names import find_names
from rollout.route.envoy.notes import read_added
from rollout.route.envoy.routes import as_recorded, as_weighted_route
from rollout.route.envoy.walk import Weighted, weight
from rollout.route.manifest import Json, dicts, key
from rollout.route.weighted_route import WeightedRoute, move


def move_all(
    manifest: Json,
    owned: Sequence[Weighted],
    arms: Arms,
    split: Split,
    before: tuple[str, ...] | None,
) -> Mapping[str, Noted]:
    """Move routes to a split; return those to which we added the canary, by configuration.

    Such an entry goes with the canary's traffic, and where all is back, weights get their numbers
    of before. Raises RouteError.
    """
    recorded, names = Before.parse("\n".join(before or ())), find_names(manifest, before)
    for weighted in owned:
        if "cluster" in weighted.field:
            weighted.field["cluster"] = arms.stable
    moved = [w for w in owned if "cluster" not in w.field]
    routes = [as_recorded(w, arms, names) for w in moved]
    new = [id(w.field) for w, route in zip(moved, routes, strict=True) if move(route, split)]
    # Known once stable has its entry again.
    own = recorded.find_lacking(routes)
    new += [id(w.field) for w, r in zip(moved, routes, strict=True) if id(r.body) in own]
    new += _list_noted(manifest, moved, arms)
    if not split.canary:
        # Journals from before they recorded that have no weights either.
        is_unknown = before is not None and not recorded.weights.routes
        for weighted, route in zip(moved, routes, strict=True):
            if is_unknown or id(weighted.field) in new:
                _remove_added_canary(route)
        restore_weights(routes, recorded.weights)
    for weighted in moved:
        if (total := key(weighted.field, "total_weight")) in weighted.field:
            weighted.field[total] = sum(map(weight, weighted.clusters))
    if not split.canary:
        return {}
    added = [weighted for weighted in moved if id(weighted.field) in new]
    return {
        name: note_routes(as_weighted_route(w, arms) for w in added if w.config == name)
        for name in {weighted.config for weighted in added}
    }


def _list_noted(manifest: Json, moved: Sequence[Weighted], arms: Arms) -> list[int]:
    """Return the routes to which earlier writes added the canary, as the file notes them."""
    ids = []
    for config in dicts(manifest.get("resources")):
        own = [weighted for weighted in moved if weighted.config == str(config.get("name", ""))]
        routes = [as_weighted_route(weighted, arms) for weighted in own]
        notes = read_added(config, arms.service).assign(routes)
        ids += [id(w.field) for w, r in zip(own, routes, strict=True) if id(r.body) in notes]
    return ids


def _remove_added_canary(route: WeightedRoute) -> None:
    """Remove what `move` added: entries that have only a name and weight 0."""
    added = [{"name": route.mesh.name(arm), "weight": 0} for arm in route.mesh.arms[1:]]
    route.entries[:] = [entry for entry in route.entries if entry not in added]
