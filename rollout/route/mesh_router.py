"""The router of every mesh: objects exist before their policy, and the policy before traffic.

How a write goes: missing objects are created, the policy is applied, the weights are written, and
what the policy no longer needs is taken back. On the way back to stable the weights come first,
because nothing may delay a rollback. A mesh that offers no creation or no policy skips that step.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial

from analysis.counting.cursor import Arm
from rollout.decide.record.split import Split
from rollout.errors import RouteError
from rollout.plan.model.mesh.policy import Policy
from rollout.plan.model.plan import Plan
from rollout.ports import Router, RouteStatus
from rollout.route.create.creator import Creator
from rollout.route.fence import Fence, name_refused_split
from rollout.route.policy.store import PolicyStore, due_policy


@dataclass(frozen=True)
class MeshAccess:
    """What reaches one mesh: its weights and, where it has them, its policies and its creator."""

    weights: Router
    policies: PolicyStore | None = None
    creator: Creator | None = None


class MeshRouter:
    """Implements the `Router` port for all meshes.

    A mesh is opened when the first plan needs it, so that a controller needs no cluster access as
    long as no plan routes there. `fence` is checked at the start of each write, also where nothing
    has to be changed: a controller that no longer leads must not confirm what it finds.
    """

    def __init__(
        self, openers: Mapping[str, Callable[[], MeshAccess]], fence: Fence = lambda: None
    ) -> None:
        self._openers, self._fence = openers, fence
        self._meshes: dict[str, MeshAccess] = {}

    def write(
        self,
        plan: Plan,
        split: Split,
        write_id: str,
        before: tuple[str, ...] | None = None,
        *,
        is_last: bool = False,
    ) -> None:
        """See rollout.ports.Router. Raises what the fence raises."""
        mesh = self._open(plan)
        with name_refused_split(split, write_id):
            self._fence()
            if split.canary:
                if mesh.creator is not None:
                    mesh.creator.create_all(plan)
                _apply_policy(mesh, plan, plan.spec.policy)
            write = partial(mesh.weights.write, plan, split, write_id, before, is_last=is_last)
            try:
                write()
            except RouteError as error:
                # Without a route the Service spreads requests over all versions, so stable has all
                # traffic only once the route exists.
                creator = mesh.creator if error.absent and not split.canary else None
                if creator is None or not creator.create_routes(plan):
                    if error.absent and not split.canary:
                        # A rollback ends where the object is gone, and its policy with it.
                        with suppress(RouteError):
                            _apply_policy(mesh, plan, due_policy(plan, split))
                    raise
                write()
            policy = due_policy(plan, split)
            if policy != plan.spec.policy:  # what it no longer needs
                _apply_policy(mesh, plan, policy)

    def read(self, plan: Plan, total: int, before: tuple[str, ...] | None = None) -> RouteStatus:
        """See rollout.ports.Router. A missing object is an error, and not a weight of zero."""
        mesh = self._open(plan)
        status = mesh.weights.read(plan, total, before)
        if plan.spec.policy is None or mesh.policies is None:
            return status
        return replace(status, policy=_describe_difference(mesh.policies, plan, status.split))

    def cached(
        self, plan: Plan, total: int, before: tuple[str, ...] | None = None
    ) -> RouteStatus | None:
        """See rollout.ports.Router.

        None for a plan with a policy: no watch covers policies, so they are read.
        """
        weights = self._open(plan).weights
        return weights.cached(plan, total, before) if plan.spec.policy is None else None

    def endpoints(self, plan: Plan, arm: Arm) -> bool | None:
        """See rollout.ports.Router."""
        try:
            return self._open(plan).weights.endpoints(plan, arm)
        except RouteError:
            return None

    def diagnose(self, plan: Plan) -> str:
        """See rollout.ports.Router."""
        return self._open(plan).weights.diagnose(plan)

    def _open(self, plan: Plan) -> MeshAccess:
        name = plan.spec.route.mesh
        if name not in self._meshes:
            self._meshes[name] = self._openers[name]()
        return self._meshes[name]


def _apply_policy(mesh: MeshAccess, plan: Plan, policy: Policy | None) -> None:
    if mesh.policies is not None:
        mesh.policies.apply(plan, policy)


def _describe_difference(policies: PolicyStore, plan: Plan, split: Split) -> str:
    """Describe where the policy differs from what is due at this split.

    Without canary traffic a policy that cannot be read is reported as a difference and not raised:
    it must not hide that a rollback has arrived.
    """
    try:
        return policies.difference(plan, due_policy(plan, split))
    except RouteError as error:
        if split.canary:
            raise
        return str(error)
