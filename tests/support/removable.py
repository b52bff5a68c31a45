"""Objects that can be deleted, and what is there after a rollout's writes."""

from __future__ import annotations

import copy

from rollout.decide.record.split import Split
from rollout.errors import ClusterError
from rollout.plan.model.plan import Plan
from tests.support.creations import Store
from tests.support.mesh_routers import cluster_router


class Removables(Store):
    """Objects that can be deleted at the version that was read."""

    def apply(self, kind, namespace, body):
        super().apply(kind, namespace, copy.deepcopy(body))

    def get(self, kind, namespace, name):
        return copy.deepcopy(super().get(kind, namespace, name))

    def every(self, kind, _namespace):
        return [live for (name, _), live in self.held.items() if name == kind.name]

    def delete(self, kind, _namespace, name, metadata):
        if self.get(kind, _namespace, name)["metadata"] != metadata:
            raise ClusterError("the object has been modified", 409)
        self.calls.append(f"delete {kind.name}")
        del self.held[kind.name, name]


def after(asked: Plan, *splits: Split) -> Removables:
    """The cluster after these writes, with nothing before them."""
    store = Removables()
    router = cluster_router(store)
    for number, split in enumerate(splits):
        router.write(asked, split, f"m{number}")
    return store
