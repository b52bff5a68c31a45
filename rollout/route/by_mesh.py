"""One router for every mesh: each plan goes to the router of its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from rollout.decide.record.split import Split
from rollout.plan.model.plan import Plan
from rollout.ports import Router, RouteStatus, Watcher


class ByMesh:
    """The `Router` port; a mesh's router is made when the first plan needs it."""

    def __init__(self, makers: Mapping[str, Callable[[], Router]]) -> None:
        self._makers = makers
        self._made: dict[str, Router] = {}

    def read(self, plan: Plan, total: int) -> RouteStatus:
        """See rollout.ports.Router."""
        return self._of(plan).read(plan, total)

    def glance(self, plan: Plan, total: int) -> RouteStatus | None:
        """See rollout.ports.Watcher."""
        router = self._of(plan)
        return router.glance(plan, total) if isinstance(router, Watcher) else None

    def write(self, plan: Plan, split: Split, mark: str) -> None:
        """See rollout.ports.Router."""
        self._of(plan).write(plan, split, mark)

    def diagnose(self, plan: Plan) -> str:
        """See rollout.ports.Router."""
        return self._of(plan).diagnose(plan)

    def _of(self, plan: Plan) -> Router:
        mesh = plan.spec.route.mesh
        if mesh not in self._made:
            self._made[mesh] = self._makers[mesh]()
        return self._made[mesh]
