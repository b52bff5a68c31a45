"""The router of all meshes over the parts that a test gives it."""

from __future__ import annotations

from rollout.ports import Router
from rollout.route.create.creator import Creator
from rollout.route.kube.objects import Applied
from rollout.route.kube.router import ClusterRouter
from rollout.route.mesh_router import MeshAccess, MeshRouter
from rollout.route.policy.cluster import ClusterPolicyStore
from rollout.route.policy.store import PolicyStore


def router_over(
    weights: Router, policies: PolicyStore | None = None, creator: Creator | None = None
) -> MeshRouter:
    """A router whose every mesh is this one."""
    access = MeshAccess(weights, policies, creator)
    return MeshRouter(dict.fromkeys(("envoy", "istio", "gateway"), lambda: access))


def creating_router(objects: Applied) -> MeshRouter:
    """A router that creates what is missing, and knows no policy."""
    return router_over(ClusterRouter(objects), creator=Creator(objects))


def cluster_router(objects: Applied) -> MeshRouter:
    """A cluster's router with all that a plan may ask for."""
    return router_over(ClusterRouter(objects), ClusterPolicyStore(objects), Creator(objects))
