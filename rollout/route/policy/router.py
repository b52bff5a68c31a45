"""Order a plan's policy and its weights: policy before the first traffic, gone after the last."""

from __future__ import annotations

from dataclasses import replace
from typing import Protocol

from rollout.decide.record.split import Split
from rollout.errors import RouteError
from rollout.plan.model.plan import Plan
from rollout.plan.model.policy import Policy
from rollout.ports import Router, RouteStatus, Watcher


class PolicyStore(Protocol):
    """Stores a policy in a mesh, and compares the mesh with it."""

    def settle(self, plan: Plan, policy: Policy | None) -> None:
        """Bring the mesh to this policy and read it back; with None, restore what was before it.

        Idempotent. Raises RouteError.
        """
        ...

    def differs(self, plan: Plan, policy: Policy | None) -> str:
        """Describe where the mesh is not at this policy; empty if it is. Raises RouteError."""
        ...


class WithPolicy:
    """The `Router` port of a mesh that also stores policies.

    No canary gets traffic before its policy is in force. On the way back the weights go first: no
    problem with a policy may delay a rollback.
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
        status = self._inner.read(plan, total)
        if plan.spec.policy is None:
            return status
        return replace(status, policy=self._describe_difference(plan, status.split))

    def cached(self, plan: Plan, total: int) -> RouteStatus | None:
        """See rollout.ports.Watcher.

        None for a plan with a policy: no watch covers policies, so they are read.
        """
        if plan.spec.policy is None and isinstance(self._inner, Watcher):
            return self._inner.cached(plan, total)
        return None

    def diagnose(self, plan: Plan) -> str:
        """See rollout.ports.Router."""
        return self._inner.diagnose(plan)

    def _describe_difference(self, plan: Plan, split: Split) -> str:
        """Describe where the policy differs from what is due at this split.

        Without canary traffic a policy that cannot be read is reported as a difference and not
        raised: it must not hide that a rollback has arrived.
        """
        try:
            return self._keeper.differs(plan, due(plan, split))
        except RouteError as error:
            if split.canary:
                raise
            return str(error)


def due(plan: Plan, split: Split) -> Policy | None:
    """Return the policy that is due at a split.

    Without a canary there is none; without stable traffic it has no fallback to stable.
    """
    policy = plan.spec.policy if split.canary else None
    if policy is None or split.stable:
        return policy
    return policy.model_copy(update={"fallback": None})
