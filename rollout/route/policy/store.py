"""What stores a plan's policy in a mesh, and which policy is due at a split."""

from __future__ import annotations

from typing import Protocol

from rollout.decide.record.split import Split
from rollout.plan.model.mesh.policy import Policy
from rollout.plan.model.plan import Plan


class PolicyStore(Protocol):
    """Stores a policy in a mesh, and compares the mesh with it."""

    def apply(self, plan: Plan, policy: Policy | None) -> None:
        """Bring the mesh to this policy and read it back; with None, restore what was before it.

        Idempotent. Raises RouteError.
        """
        ...

    def difference(self, plan: Plan, policy: Policy | None) -> str:
        """Describe where the mesh is not at this policy; empty if it is. Raises RouteError."""
        ...


def due_policy(plan: Plan, split: Split) -> Policy | None:
    """Return the policy that is due at a split.

    Without a canary there is none; without stable traffic it has no fallback to stable.
    """
    policy = plan.spec.policy if split.canary else None
    if policy is None or split.stable:
        return policy
    return policy.model_copy(update={"fallback": None})
