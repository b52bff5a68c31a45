"""Plans with a policy."""

from __future__ import annotations

from rollout.plan.model.plan import Plan
from tests.support.routes import istio


def plan(policy, then="pause", **route):
    document = istio(destinationRule="reviews", **route).document()
    document["spec"] |= {"policy": policy, "onDrift": then}
    return Plan.model_validate(document)
