"""One router for all meshes: it passes each plan to the router of the plan's mesh."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from rollout.decide.record.split import Split
from rollout.plan.model.plan import Plan
from rollout.ports import Router, RouteStatus, Watcher


class ByMesh:
    """Implements the `Router` port by delegating to the router of the plan's mesh.

    A mesh's router is created when the first plan needs it, so that a controller
    needs no cluster access as long as no plan routes there.
    """

    def __init__(self, makers: Mapping[str, Callable[[], Router]]) -> None:
        self._makers = makers
        self._routers: dict[str, Router] = {}

    def read(self, plan: Plan, total: int) -> RouteStatus:
        """See rollout.ports.Router."""
        return self._get_router(plan).read(plan, total)

    def cached(self, plan: Plan, total: int) -> RouteStatus | None:
        """See rollout.ports.Watcher."""
        router = self._get_router(plan)
        return router.cached(plan, total) if isinstance(router, Watcher) else None

    def write(self, plan: Plan, split: Split, mark: str) -> None:
        """See rollout.ports.Router."""
        self._get_router(plan).write(plan, split, mark)

    def diagnose(self, plan: Plan) -> str:
        """See rollout.ports.Router."""
        return self._get_router(plan).diagnose(plan)

    def _get_router(self, plan: Plan) -> Router:
        mesh = plan.spec.route.mesh
        if mesh not in self._routers:
            self._routers[mesh] = self._makers[mesh]()
        return self._routers[mesh]
