"""Move the weights of an Envoy's routes, and back to what they were."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rollout.decide.record.split import Split
from rollout.route.before import Before, restore_weights
from rollout.route.content import Noted, note_routes, parse_noted
from rollout.route.envoy.routes import as_weighted_route
from rollout.route.envoy.walk import Weighted, note, noted, weight
from rollout.route.manifest import Json, dicts, key
from rollout.route.weighted_route import Mesh, WeightedRoute, move

ADDED = "added"  # key of our notes in a configuration: routes to which we added the canary


def move_all(
    owned: Sequence[Weighted],
    mesh: Mesh,
    split: Split,
    before: tuple[str, ...] | None,
    noted_added: Noted,
) -> Mapping[str, Noted]:
    """Move routes to a split; return those to which we added the canary, by configuration.

    `noted_added` are those that earlier writes noted. Such an entry goes with the canary's traffic,
    and where all is back, weights get their numbers of before. Raises RouteError.
    """
    recorded = Before.parse("\n".join(before or ()))
    for weighted in owned:
        if "cluster" in weighted.field:
            weighted.field["cluster"] = mesh.name("stable")
    routes = [(w, as_weighted_route(w, mesh)) for w in owned if "cluster" not in w.field]
    lacking = Noted((*recorded.lacking.routes, *noted_added.routes))
    new = [id(route.body) for _, route in routes if move(route, split)]
    own = lacking.assign([route for _, route in routes])  # known once stable has its entry again
    added = [(w, r) for w, r in routes if id(r.body) in {*new, *own}]
    if not split.canary:
        # Journals from before they recorded that have no weights either.
        is_unknown = before is not None and not recorded.weights.routes
        for _, route in routes if is_unknown else added:
            _remove_added_canary(route)
        restore_weights([route for _, route in routes], recorded.weights)
    for weighted, _ in routes:
        if (total := key(weighted.field, "total_weight")) in weighted.field:
            weighted.field[total] = sum(map(weight, weighted.clusters))
    if not split.canary:
        return {}
    configs = {weighted.config for weighted, _ in added}
    return {name: note_routes(r for w, r in added if w.config == name) for name in configs}


def list_added(manifest: Json) -> Noted:
    """Return the routes to which writes of ours added the canary, as the file notes them."""
    lines = (noted(config).get(ADDED) for config in dicts(manifest.get("resources")))
    texts = (str(line) for some in lines if isinstance(some, list) for line in some)
    return parse_noted("\n".join(texts))


def note_added(config: Json, added: Noted) -> None:
    """Note in a configuration to which of its routes we added the canary."""
    note(config, ADDED, value=[*added.lines])


def _remove_added_canary(route: WeightedRoute) -> None:
    """Remove what `move` added: entries at the end that have only a name and weight 0."""
    names = [route.mesh.name(arm) for arm in route.mesh.arms[1:]]
    added = [{"name": name, "weight": 0} for name in names]
    while route.entries and route.entries[-1] in added:
        route.entries.pop()
