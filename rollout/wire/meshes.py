"""Builds the routers that write weights to each mesh, and the remover of created objects."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from typing import TYPE_CHECKING

from rollout.errors import InputError, RouteError
from rollout.wire import clock

if TYPE_CHECKING:
    from rollout.kube.client import Cluster
    from rollout.kube.kinds import Kind
    from rollout.kube.watches import WatchedObjects
    from rollout.plan.model.plan import Plan
    from rollout.ports import Router
    from rollout.route.remove.remover import Remover
    from rollout.tick.attempts import EndpointCheck

_PATIENCE = 10.0  # seconds that a person's command waits for the mesh
_RELIST = 60  # seconds; the next list finds what a silent watch has missed


def router(
    context: str | None = None,
    watches: ExitStack | None = None,
    fence: Callable[[], None] = lambda: None,
) -> Router:
    """Return one router for all meshes; the cluster is connected to when the first plan needs it.

    With `watches`, objects are read from watches, which stop when that stack closes; without, each
    look sends a request. Each write first calls `fence`, which raises if this controller no longer
    decides.
    """
    from rollout.route.create.creator import Creator
    from rollout.route.fence import FencedFiles, FencedObjects
    from rollout.route.mesh_router import MeshAccess, MeshRouter

    def envoy() -> MeshAccess:
        from rollout.route.envoy.proxy import EnvoyRouter
        from rollout.route.policy.proxy import EnvoyPolicyStore

        files = FencedFiles(fence)
        return MeshAccess(EnvoyRouter(files.replace), EnvoyPolicyStore(files.replace))

    def kubernetes() -> MeshAccess:
        from rollout.kube.client import connect
        from rollout.route.kube.router import ClusterRouter
        from rollout.route.policy.cluster import ClusterPolicyStore

        try:
            cluster = connect(context)
        except InputError as error:
            raise RouteError(str(error), unread=True) from None
        fenced = FencedObjects(cluster, fence)
        watched = _open_watches(cluster, watches) if watches else None
        weights = ClusterRouter(fenced, watched, cluster)
        creator = Creator(fenced, clock.SystemClock().sleep)
        return MeshAccess(weights, ClusterPolicyStore(fenced), creator)

    return MeshRouter({"envoy": envoy, "istio": kubernetes, "gateway": kubernetes}, fence)


def old_version_check(
    context: str | None = None, on_unknown: Callable[[str], None] = lambda _: None
) -> EndpointCheck:
    """Return the check of a person's undo, with that person's own permissions.

    A mesh that cannot be reached is unknown, however long it would take to fail.
    """
    from rollout.tick.attempts import EndpointCheck
    from rollout.wire.background import answer_within

    def ask(plan: Plan) -> bool | None:
        return answer_within(_PATIENCE, lambda: router(context).endpoints(plan, "stable"))

    return EndpointCheck(ask, clock.timer, on_unknown)


def _open_watches(cluster: Cluster, until: ExitStack) -> WatchedObjects:
    """Open watches of routing objects.

    Problems of a watch are not reported: without it each look sends a request, which reports them.
    """
    from rollout.kube.informer import Informer
    from rollout.kube.watches import WatchedObjects

    def watch(kind: Kind, namespace: str) -> Informer:
        return Informer(cluster.api, kind, namespace, lambda _problem: None, _RELIST)

    watches = WatchedObjects(watch)
    until.callback(watches.stop)
    return watches


def remover(context: str | None = None) -> Remover:
    """Return what removes a plan's objects, with the user's own permissions. Raises InputError."""
    from rollout.kube.client import connect
    from rollout.route.remove.remover import Remover

    return Remover(connect(context), clock.SystemClock().sleep)
