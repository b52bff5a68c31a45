"""Whether a plan may begin, by how often the engine rolled back stable's own pods."""

from __future__ import annotations

from rollout.decide.record.facts import Calibrated
from rollout.plan.fields.units import percent
from rollout.plan.model.plan import Plan

WAIVER = "surefoot.dev/uncalibrated"
"""Annotation of a plan's resource whose text says why it may begin all the same."""

_HOW = f"or begin without it by `surefoot run --uncalibrated`, a resource by annotation {WAIVER}"


def lacks_calibration(plan: Plan, found: Calibrated | None) -> str:
    """Why a plan may not begin, in words; empty if it may.

    None is needed unless the plan asks for it, but one that does not hold is always heeded.
    """
    pods = plan.spec.pods
    if found is None and (pods is None or not pods.require_calibration):
        return ""
    if found is None:
        return (
            f"{plan.name} begins only when calibrated: run `surefoot calibrate` with this plan and "
            f"this journal, {_HOW}"
        )
    # The id holds the plan's digest, so that what was found is of this very plan.
    if found.holds:
        return ""
    return (
        f"{plan.name} declares a false-rollback rate of {percent(found.alpha)}, its calibration "
        f"says up to {percent(found.bound)}: learn from a longer `pods.history`, calibrate with "
        f"more runs, {_HOW}"
    )
