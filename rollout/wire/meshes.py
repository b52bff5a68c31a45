"""Every mesh's door: what writes weights, and what removes what was made for them."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from typing import TYPE_CHECKING

from rollout.errors import InputError, RouteError
from rollout.wire import clock

if TYPE_CHECKING:
    from rollout.kube.client import Cluster
    from rollout.kube.kinds import Kind
    from rollout.kube.watches import Watched
    from rollout.ports import Router
    from rollout.route.remove.remover import Remover

_RELIST = 60  # seconds; a watch that went silent is found then


def router(
    context: str | None = None,
    watches: ExitStack | None = None,
    fence: Callable[[], None] = lambda: None,
) -> Router:
    """Every mesh's router; the cluster is connected to when the first plan needs it.

    With `watches`, whose end ends them, objects are watched; else each look is a request. Each
    write first asks the fence, which raises for a controller that no longer decides.
    """
    from rollout.route.by_mesh import ByMesh
    from rollout.route.fence import FencedObjects, FencedRouter

    def envoy() -> Router:
        from rollout.route.envoy.proxy import EnvoyRouter
        from rollout.route.policy.proxy import EnvoyPolicyStore
        from rollout.route.policy.router import WithPolicy

        return WithPolicy(EnvoyRouter(), EnvoyPolicyStore())

    def objects() -> Router:
        from rollout.kube.client import connect
        from rollout.route.create.creator import WithCreation
        from rollout.route.kube.router import ClusterRouter
        from rollout.route.policy.cluster import ClusterPolicyStore
        from rollout.route.policy.router import WithPolicy

        try:
            cluster = connect(context)
        except InputError as error:
            raise RouteError(str(error), unread=True) from None
        fenced = FencedObjects(cluster, fence)
        weights = ClusterRouter(fenced, _watched(cluster, watches) if watches else None)
        return WithCreation(WithPolicy(weights, ClusterPolicyStore(fenced)), fenced)

    return FencedRouter(ByMesh({"envoy": envoy, "istio": objects, "gateway": objects}), fence)


def _watched(cluster: Cluster, until: ExitStack) -> Watched:
    """Watches of routing objects. A lost one is told by nobody: looks are requests again then."""
    from rollout.kube.informer import Informer
    from rollout.kube.watches import Watched

    def watch(kind: Kind, namespace: str) -> Informer:
        return Informer(cluster.api, kind, namespace, lambda _problem: None, _RELIST)

    watches = Watched(watch)
    until.callback(watches.stop)
    return watches


def remover(context: str | None = None) -> Remover:
    """What removes a plan's objects, with the rights of whoever asks. Raises InputError."""
    from rollout.kube.client import connect
    from rollout.route.remove.remover import Remover

    return Remover(connect(context), clock.SystemClock().sleep)
