"""Notes on plans that are valid but cannot come to what they say: times that do not fit."""

from __future__ import annotations

from rollout.decide.text.numbers import join
from rollout.plan.fields.units import duration
from rollout.plan.model.plan import Plan, Steps


def list_notes(plan: Plan) -> list[str]:
    """Return a sentence for each time of a plan that its deadline does not leave room for."""
    spec = plan.spec
    deadline = duration(spec.deadline)
    otherwise = {"promote": "without proof", "pause": "in a pause", "rollback": "in a rollback"}
    end = otherwise[spec.when_inconclusive]
    notes = []
    least = _least_seconds(plan)
    if least >= spec.deadline:
        notes.append(
            f"the way to all traffic takes at least {duration(least)}, the deadline comes after "
            f"{deadline}: it ends {end}; a longer deadline, fewer steps or a shorter bake cure it"
        )
    late = [g.name for g in spec.guardrails if g.lag and g.lag >= spec.deadline]
    if late:
        notes.append(
            f"counts of {join(late)} are complete only after their lag, when the deadline of "
            f"{deadline} has passed: it ends {end}; a longer deadline cures it"
        )
    return notes


def _least_seconds(plan: Plan) -> float:
    """Return the least time until a promotion: copies, warm-up and the bake of each step.

    The first step's bake may pass while the canary warms up. An evidence ramp may need one step.
    """
    spec = plan.spec
    bakes = len(spec.ramp.steps) if isinstance(spec.ramp, Steps) else 1
    mirror = spec.traffic.mirror if spec.traffic else None
    copies = mirror.lasts if mirror else 0.0
    return copies + max(spec.warmup, spec.ramp.bake) + (bakes - 1) * spec.ramp.bake
