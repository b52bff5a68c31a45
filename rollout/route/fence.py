"""Weights are written only by whoever still decides: asked right before each write."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from rollout.decide.record.split import Split
from rollout.errors import StaleError
from rollout.kube.kinds import Json, Kind
from rollout.plan.model.plan import Plan
from rollout.ports import Router, RouteStatus, Watcher
from rollout.route.kube.objects import Applied

Fence = Callable[[], None]
"""Raises StaleError for a controller that no longer decides, SurefootError when nobody can say."""


@dataclass(frozen=True)
class FencedObjects:
    """Objects whose patches ask first, and so does what makes them.

    A patch is good for one version only, and that version was read before the question. So who took
    over after the question and wrote, made another version; who took over before it, is noticed.
    """

    objects: Applied
    fence: Fence

    def get(self, kind: Kind, namespace: str, name: str) -> Json:
        """See rollout.route.kube.objects.Objects."""
        return self.objects.get(kind, namespace, name)

    def patch(
        self, kind: Kind, namespace: str, name: str, body: Json, *, dry: bool = False
    ) -> Json:
        """See rollout.route.kube.objects.Objects. Raises what the fence raises."""
        self.fence()
        return self.objects.patch(kind, namespace, name, body, dry=dry)

    def apply(self, kind: Kind, namespace: str, body: Json) -> None:
        """See rollout.route.kube.objects.Applied. Raises what the fence raises."""
        self.fence()
        self.objects.apply(kind, namespace, body)


@dataclass(frozen=True)
class FencedRouter:
    """A router whose writes ask first; a refusal names what was to be written."""

    router: Router
    fence: Fence

    def read(self, plan: Plan, total: int) -> RouteStatus:
        """See rollout.ports.Router."""
        return self.router.read(plan, total)

    def glance(self, plan: Plan, total: int) -> RouteStatus | None:
        """See rollout.ports.Watcher."""
        return self.router.glance(plan, total) if isinstance(self.router, Watcher) else None

    def write(self, plan: Plan, split: Split, mark: str) -> None:
        """See rollout.ports.Router. Raises what the fence raises."""
        try:
            self.fence()
            self.router.write(plan, split, mark)
        except StaleError as error:
            said = f"{split.share * 100:.4g}% canary (decision {mark}) refused: {error}"
            raise StaleError(said, mark.rpartition("/")[0]) from None

    def diagnose(self, plan: Plan) -> str:
        """See rollout.ports.Router."""
        return self.router.diagnose(plan)
