"""The door to a local Envoy's policy: both watched files, and what Envoy shows of them."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path

from rollout.errors import RouteError
from rollout.plan.model.plan import Plan
from rollout.plan.model.policy import Policy
from rollout.plan.model.route import EnvoyRoute
from rollout.route.envoy.proxy import arms_of, ask, route_of
from rollout.route.envoy.safety_net import needed, put_net
from rollout.route.envoy.watched import load, replace
from rollout.route.manifest import Json
from rollout.route.policy.files import (
    differences,
    leftovers,
    notes,
    settled_clusters,
    settled_routes,
    shown_clusters,
    shown_routes,
)

_POLL, _POLLS = 0.01, 100  # a receipt takes milliseconds
_CLUSTERS, _ROUTES = "dynamic_active_clusters", "dynamic_route_configs"


class EnvoyPolicyStore:
    """The `Keeper` of plans with `spec.route.envoy`."""

    def settle(self, plan: Plan, policy: Policy | None) -> None:
        """See `Keeper`. A file that Envoy refuses is put back as it was."""
        route, arms, adopt = route_of(plan), arms_of(plan), plan.spec.on_drift == "adopt"

        def clusters() -> None:
            if route.cluster_file is not None:
                file = Path(route.cluster_file)
                made = settled_clusters(load(file), arms, policy, adopt=adopt)
                put_net(made, arms, asked=needed(load(Path(route.file)), arms, policy))
                _put(route, file, made, clusters_shown, policy)

        def routes() -> None:
            file = Path(route.file)
            made = settled_routes(load(file), arms, policy, adopt=adopt)
            _put(route, file, made, routes_shown, policy)

        # A route never names a cluster that is not there.
        for each in (clusters, routes) if policy is not None else (routes, clusters):
            each()

    def differs(self, plan: Plan, policy: Policy | None) -> str:
        """See rollout.route.policy.router.Keeper."""
        route, arms = route_of(plan), arms_of(plan)
        routes = load(Path(route.file))
        clusters = load(Path(route.cluster_file)) if route.cluster_file is not None else None
        if policy is None:
            said = [*leftovers(routes, arms), *leftovers(clusters or {}, arms)]
        else:
            said = [*differences(routes, clusters, arms, policy)]
        if not said and not routes_shown(route, routes):
            said.append("Envoy does not show the routes' policy")
        if not said and clusters is not None and not clusters_shown(route, clusters):
            said.append("Envoy does not show the clusters' policy")
        return "; ".join(said)


def clusters_shown(route: EnvoyRoute, wanted: Json) -> bool:
    """Whether Envoy runs the clusters of a file, as far as what we remember in them tells."""
    return notes(wanted).items() <= notes(shown_clusters(_dump(route, _CLUSTERS))).items()


def routes_shown(route: EnvoyRoute, wanted: Json) -> bool:
    """Whether Envoy runs the routes of a file, as far as what we remember in them tells."""
    return notes(wanted).items() <= notes(shown_routes(_dump(route, _ROUTES))).items()


def _put(
    route: EnvoyRoute,
    file: Path,
    made: Json,
    shown: Callable[[EnvoyRoute, Json], bool],
    policy: Policy | None,
) -> None:
    before = load(file)
    if made != before:
        replace(file, made)
    elif policy is None:
        return
    for _ in range(_POLLS):
        if shown(route, made):
            return
        time.sleep(_POLL)
    if policy is not None:
        replace(file, before)  # Envoy starts again with what it takes
    raise RouteError(f"Envoy does not take the policy in {file}: its log says why")


def _dump(route: EnvoyRoute, resource: str) -> Json:
    try:
        return dict(json.loads(ask(route, f"/config_dump?resource={resource}")))
    except (TypeError, ValueError) as error:
        said = f"Envoy at {route.admin} gave no JSON object: {error}"
        raise RouteError(said, unread=True) from None
