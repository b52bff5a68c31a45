"""Look at what a plan's rollouts left in a cluster, and remove it at the versions seen."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from rollout.errors import ClusterError
from rollout.kube.kinds import ROLLOUT_PLAN, Json, Kind
from rollout.plan.model.plan import Plan
from rollout.route.kube.objects import VIRTUAL_SERVICE, Objects, as_route_error, at_version
from rollout.route.remove.removal import Removal, named, removals

PAUSE = 5.0  # seconds for every proxy to learn that a route is gone, before its target goes
_NOT_FOUND = 404


class Removable(Objects, Protocol):
    """Objects that can also be listed and deleted. Raises ClusterError."""

    def every(self, kind: Kind, namespace: str) -> list[Json]: ...
    def delete(self, kind: Kind, namespace: str, name: str, metadata: Json) -> None: ...


@dataclass(frozen=True)
class Remover:
    """Removes objects at a user's request, with that user's rights."""

    objects: Removable
    sleep: Callable[[float], None]

    def look(self, plan: Plan) -> list[Removal]:
        """Return what there is to do, in order. Raises RouteError."""
        live_objects = [
            (kind, live) for kind, name in named(plan) if (live := self._find(plan, kind, name))
        ]
        istio = plan.spec.route.istio is not None
        services = self._list(plan, VIRTUAL_SERVICE) if live_objects and istio else []
        return list(removals(plan, live_objects, services))

    def plans(self, plan: Plan) -> list[Json]:
        """Return the namespace's RolloutPlans, if the cluster has that kind. Raises RouteError."""
        return self._list(plan, ROLLOUT_PLAN)

    def remove(self, plan: Plan, due: Sequence[Removal], done: Callable[[Removal], None]) -> None:
        """Carry out the removals in order. Raises RouteError at the first that has changed."""
        before: Removal | None = None
        for removal in due:
            if before is not None and before.is_route_gone:
                self.sleep(PAUSE)
            self._carry_out(plan, removal)
            done(removal)
            before = removal

    def _carry_out(self, plan: Plan, removal: Removal) -> None:
        """Carry out one removal; an object that is already gone is done."""
        address = removal.kind, plan.metadata.namespace, removal.name
        verb = "delete" if removal.deed == "delete" else "patch"
        try:
            if removal.deed == "delete":
                self.objects.delete(*address, removal.live["metadata"])
            else:
                self.objects.patch(*address, at_version(removal.patch, removal.live))
        except ClusterError as error:
            if error.status != _NOT_FOUND:
                raise as_route_error(error, verb, removal.kind, plan, removal.name) from None

    def _find(self, plan: Plan, kind: Kind, name: str) -> Json | None:
        try:
            return self.objects.get(kind, plan.metadata.namespace, name)
        except ClusterError as error:
            if error.status == _NOT_FOUND:
                return None
            raise as_route_error(error, "get", kind, plan, name) from None

    def _list(self, plan: Plan, kind: Kind) -> list[Json]:
        try:
            return self.objects.every(kind, plan.metadata.namespace)
        except ClusterError as error:
            if error.status == _NOT_FOUND:
                return []
            raise as_route_error(error, "list", kind, plan, "*") from None
