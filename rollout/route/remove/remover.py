"""What a plan's rollouts made in a cluster is looked at and removed, at the versions looked at."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from rollout.errors import ClusterError
from rollout.kube.kinds import ROLLOUT_PLAN, Json, Kind
from rollout.plan.model.plan import Plan
from rollout.route.kube.objects import VIRTUAL_SERVICE, Objects, as_route_error, at_version
from rollout.route.remove.removal import Removal, named, removals

PAUSE = 5.0  # seconds in which every proxy hears that a route is gone, before what it led to goes
_NOT_FOUND = 404


class Removable(Objects, Protocol):
    """Objects that can also be listed and deleted. Raises ClusterError."""

    def every(self, kind: Kind, namespace: str) -> list[Json]: ...
    def delete(self, kind: Kind, namespace: str, name: str, metadata: Json) -> None: ...


@dataclass(frozen=True)
class Remover:
    """Removes by a person's word, with that person's rights."""

    objects: Removable
    sleep: Callable[[float], None]

    def look(self, plan: Plan) -> list[Removal]:
        """What there is to do, first things first. Raises RouteError."""
        found = [
            (kind, live) for kind, name in named(plan) if (live := self._find(plan, kind, name))
        ]
        istio = plan.spec.route.istio is not None
        services = self._every(plan, VIRTUAL_SERVICE) if found and istio else []
        return list(removals(plan, found, services))

    def plans(self, plan: Plan) -> list[Json]:
        """The RolloutPlans of the plan's namespace, if the cluster knows any. Raises RouteError."""
        return self._every(plan, ROLLOUT_PLAN)

    def remove(self, plan: Plan, due: Sequence[Removal], done: Callable[[Removal], None]) -> None:
        """Do it, one after the other. Raises RouteError at the first that was changed meanwhile."""
        before: Removal | None = None
        for each in due:
            if before is not None and before.is_route_gone:
                self.sleep(PAUSE)
            self._do(plan, each)
            done(each)
            before = each

    def _do(self, plan: Plan, each: Removal) -> None:
        place = each.kind, plan.metadata.namespace, each.name
        verb = "delete" if each.deed == "delete" else "patch"
        try:
            if each.deed == "delete":
                self.objects.delete(*place, each.live["metadata"])
            else:
                self.objects.patch(*place, at_version(each.patch, each.live))
        except ClusterError as error:
            if error.status != _NOT_FOUND:
                raise as_route_error(error, verb, each.kind, plan, each.name) from None

    def _find(self, plan: Plan, kind: Kind, name: str) -> Json | None:
        try:
            return self.objects.get(kind, plan.metadata.namespace, name)
        except ClusterError as error:
            if error.status == _NOT_FOUND:
                return None
            raise as_route_error(error, "get", kind, plan, name) from None

    def _every(self, plan: Plan, kind: Kind) -> list[Json]:
        try:
            return self.objects.every(kind, plan.metadata.namespace)
        except ClusterError as error:
            if error.status == _NOT_FOUND:
                return []
            raise as_route_error(error, "list", kind, plan, "*") from None
