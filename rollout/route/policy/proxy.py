"""Write a local Envoy's policy into both watched files, and check what Envoy runs."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from rollout.errors import RouteError
from rollout.plan.model.mesh.policy import Policy
from rollout.plan.model.mesh.route import EnvoyRoute
from rollout.plan.model.plan import Plan
from rollout.route.envoy.admin import read_dump
from rollout.route.envoy.proxy import arms_of, route_of
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
    """The `PolicyStore` of plans with `spec.route.envoy`."""

    def __init__(self, replace_file: Callable[[Path, Json], None] = replace) -> None:
        self._replace_file = replace_file

    def apply(self, plan: Plan, policy: Policy | None) -> None:
        """See `PolicyStore`. A file that Envoy rejects is restored."""
        route, arms, adopt = route_of(plan), arms_of(plan), plan.spec.on_drift == "adopt"

        def clusters() -> None:
            if route.cluster_file is not None:
                file = Path(route.cluster_file)
                settled = settled_clusters(load(file), arms, policy, adopt=adopt)
                put_net(settled, arms, asked=needed(load(Path(route.file)), arms, policy))
                self._replace_and_wait(route, file, settled, clusters_shown, policy)

        def routes() -> None:
            file = Path(route.file)
            settled = settled_routes(load(file), arms, policy, adopt=adopt)
            self._replace_and_wait(route, file, settled, routes_shown, policy)

        # A route must never name a cluster that Envoy lacks, so clusters come first on the way in
        # and last on the way out.
        for write_file in (clusters, routes) if policy is not None else (routes, clusters):
            write_file()

    def difference(self, plan: Plan, policy: Policy | None) -> str:
        """See rollout.route.policy.store.PolicyStore."""
        route, arms = route_of(plan), arms_of(plan)
        routes = load(Path(route.file))
        clusters = load(Path(route.cluster_file)) if route.cluster_file is not None else None
        if policy is None:
            problems = [*leftovers(routes, arms), *leftovers(clusters or {}, arms)]
        else:
            problems = [*differences(routes, clusters, arms, policy)]
        if not problems and not routes_shown(route, routes):
            problems.append("Envoy does not show the routes' policy")
        if not problems and clusters is not None and not clusters_shown(route, clusters):
            problems.append("Envoy does not show the clusters' policy")
        return "; ".join(problems)

    def _replace_and_wait(
        self,
        route: EnvoyRoute,
        file: Path,
        settled: Json,
        is_shown: Callable[[EnvoyRoute, Json], bool],
        policy: Policy | None,
    ) -> None:
        """Replace a file and wait until Envoy runs it; otherwise restore it and raise RouteError.

        On the way out (no policy) an unchanged file is not waited for, and a rejected one is not
        restored: that would bring the policy back.
        """
        before = load(file)
        if settled != before:
            self._replace_file(file, settled)
        elif policy is None:
            return
        for _ in range(_POLLS):
            if is_shown(route, settled):
                return
            time.sleep(_POLL)
        if policy is not None:
            self._replace_file(file, before)  # Envoy must be able to start from the file
        raise RouteError(f"Envoy does not take the policy in {file}: its log says why")


def clusters_shown(route: EnvoyRoute, wanted: Json) -> bool:
    """Return whether Envoy runs a file's clusters, judged by our records in them."""
    return notes(wanted).items() <= notes(shown_clusters(read_dump(route, _CLUSTERS))).items()


def routes_shown(route: EnvoyRoute, wanted: Json) -> bool:
    """Return whether Envoy runs a file's routes, judged by our records in them."""
    return notes(wanted).items() <= notes(shown_routes(read_dump(route, _ROUTES))).items()
