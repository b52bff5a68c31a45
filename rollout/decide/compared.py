"""What the canary is compared with, and whether that comparison is an experiment."""

from __future__ import annotations

from rollout.plan.model import Plan, Switch
from rollout.plan.units import duration, percent


def observational(plan: Plan) -> str:
    """Why a verdict on this plan is no more than an observation, in words; empty if it is more."""
    before = plan.spec.before
    if before is None:
        return ""
    return (
        f"observational: compared with {plan.spec.stable.version} in the {duration(before)} before "
        "the switch, not at the same time"
    )


def compared_with(plan: Plan) -> str:
    """What the canary is compared with, in words."""
    ramp, stable = plan.spec.ramp, plan.spec.stable.version
    if isinstance(ramp, Switch) and ramp.blue_green.holdback is not None:
        return f"compared with the {percent(ramp.blue_green.holdback)} that {stable} keeps"
    return observational(plan) or f"compared with {stable} at the same time"
