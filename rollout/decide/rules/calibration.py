"""The check that a plan's calibration allows it to begin."""

from __future__ import annotations

from rollout.decide.record.facts import Calibrated
from rollout.plan.fields.units import percent
from rollout.plan.model.plan import Plan

WAIVER = "surefoot.dev/uncalibrated"
"""Annotation of a plan's resource whose text says why it may begin all the same."""

_HOW = f"or start without it: `surefoot run --uncalibrated`, or the annotation {WAIVER}"


def lacks_calibration(plan: Plan, calibration: Calibrated | None) -> str:
    """Explain why a plan may not begin; empty if it may.

    A calibration says how often the engine rolled back stable's own pods. Only a plan that requires
    one needs it, but one that exists and fails always counts.
    """
    pods = plan.spec.declared_pods
    if calibration is None and (pods is None or not pods.require_calibration):
        return ""
    if calibration is None:
        return (
            f"{plan.name} requires a calibration and this journal has none: run "
            f"`surefoot calibrate --journal`, {_HOW}"
        )
    # The rollout id holds the plan's digest, so the calibration is of exactly this plan.
    if calibration.holds:
        return ""
    return (
        f"{plan.name} declares falseRollback {percent(calibration.alpha)}, its calibration "
        f"measured up to {percent(calibration.bound)}: declare a longer `pods.history`, "
        f"calibrate with more --runs, {_HOW}"
    )
