"""Opens the API server for a command that a person gives, with that person's own permissions."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rollout.kube.client import Cluster


def open_cluster(context: str | None = None) -> Cluster:
    """Connect to the cluster of our pod, else of the kubeconfig. Raises InputError."""
    from rollout.kube.client import connect

    return connect(context)
