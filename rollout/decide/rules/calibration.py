"""The check that a plan's calibration allows it to begin."""

from __future__ import annotations

from rollout.decide.record.facts import Calibrated
from rollout.plan.fields.units import percent
from rollout.plan.model.plan import Plan

WAIVER = "surefoot.dev/uncalibrated"
"""Annotation of a plan's resource whose text says why it may begin all the same."""

_HOW = f"or begin without it by `surefoot run --uncalibrated`, a resource by annotation {WAIVER}"


def lacks_calibration(plan: Plan, calibration: Calibrated | None) -> str:
    """Explain why a plan may not begin; empty if it may.

    A calibration says how often the engine rolled back stable's own pods. Only a plan that requires
    one needs it, but one that exists and fails always counts.
    """
    pods = plan.spec.pods
    if calibration is None and (pods is None or not pods.require_calibration):
        return ""
    if calibration is None:
        return (
            f"{plan.name} begins only when calibrated: run `surefoot calibrate` with this plan and "
            f"this journal, {_HOW}"
        )
    # The rollout id holds the plan's digest, so the calibration is of exactly this plan.
    if calibration.holds:
        return ""
    return (
        f"{plan.name} declares a false-rollback rate of {percent(calibration.alpha)}, its "
        f"calibration says up to {percent(calibration.bound)}: learn from a longer `pods.history`, "
        f"calibrate with more runs, {_HOW}"
    )
