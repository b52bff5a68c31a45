"""Check that this controller still leads, right before every write to a mesh."""

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
"""Raises StaleError if this controller no longer leads, SurefootError if that is unknown."""


@dataclass(frozen=True)
class FencedObjects:
    """Cluster objects that check the fence before each patch and each apply.

    A patch names the resourceVersion that was read, and that read happened before the check. So a
    controller that takes over and writes after the check creates a newer version, and our patch
    conflicts; a takeover before the check fails the check.
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
    """A router that checks the fence before each write; an error names the refused split."""

    router: Router
    fence: Fence

    def read(self, plan: Plan, total: int) -> RouteStatus:
        """See rollout.ports.Router."""
        return self.router.read(plan, total)

    def cached(self, plan: Plan, total: int) -> RouteStatus | None:
        """See rollout.ports.Watcher."""
        return self.router.cached(plan, total) if isinstance(self.router, Watcher) else None

    def write(self, plan: Plan, split: Split, mark: str) -> None:
        """See rollout.ports.Router. Raises what the fence raises."""
        try:
            self.fence()
            self.router.write(plan, split, mark)
        except StaleError as error:
            message = f"{split.share * 100:.4g}% canary (decision {mark}) refused: {error}"
            # A mark is "<rollout id>/<sequence number>": what precedes the slash is the rollout.
            raise StaleError(message, mark.rpartition("/")[0]) from None

    def diagnose(self, plan: Plan) -> str:
        """See rollout.ports.Router."""
        return self.router.diagnose(plan)
