"""A plan's policy around its weights: in force before the first traffic, gone after the last."""

from __future__ import annotations

from dataclasses import replace
from typing import Protocol

from rollout.decide.record.split import Split
from rollout.errors import RouteError
from rollout.plan.model.plan import Plan
from rollout.plan.model.policy import Policy
from rollout.ports import Router, RouteStatus, Watcher


class PolicyStore(Protocol):
    """Knows where a mesh keeps its policy."""

    def settle(self, plan: Plan, policy: Policy | None) -> None:
        """Bring the mesh to this policy and read it back; None: to what was there before it.

        N times equal once. Raises RouteError.
        """
        ...

    def differs(self, plan: Plan, policy: Policy | None) -> str:
        """Where the mesh is not at this policy, in words; empty where it is. Raises RouteError."""
        ...


class WithPolicy:
    """The `Router` port of a mesh that keeps policies.

    No canary gets traffic before its policy is in force. On the way back the traffic goes first:
    nothing about a policy stands before a rollback.
    """

    def __init__(self, inner: Router, keeper: PolicyStore) -> None:
        self._inner, self._keeper = inner, keeper

    def write(self, plan: Plan, split: Split, mark: str) -> None:
        """See rollout.ports.Router."""
        if split.canary:
            self._keeper.settle(plan, plan.spec.policy)
        self._inner.write(plan, split, mark)
        after = due(plan, split)
        if after != plan.spec.policy:
            self._keeper.settle(plan, after)

    def read(self, plan: Plan, total: int) -> RouteStatus:
        """See rollout.ports.Router."""
        seen = self._inner.read(plan, total)
        if plan.spec.policy is None:
            return seen
        return replace(seen, policy=self._differs(plan, seen.split))

    def glance(self, plan: Plan, total: int) -> RouteStatus | None:
        """See rollout.ports.Watcher: no watch tells of policies, so those are read."""
        if plan.spec.policy is None and isinstance(self._inner, Watcher):
            return self._inner.glance(plan, total)
        return None

    def diagnose(self, plan: Plan) -> str:
        """See rollout.ports.Router."""
        return self._inner.diagnose(plan)

    def _differs(self, plan: Plan, split: Split) -> str:
        """What cannot be told of a policy hides no rollback."""
        try:
            return self._keeper.differs(plan, due(plan, split))
        except RouteError as error:
            if split.canary:
                raise
            return str(error)


def due(plan: Plan, split: Split) -> Policy | None:
    """The policy at a split: none without a canary, and no way back to stable without a stable."""
    policy = plan.spec.policy if split.canary else None
    if policy is None or split.stable:
        return policy
    return policy.model_copy(update={"fallback": None})
