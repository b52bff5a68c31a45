"""Texts about ratios of sums: `2,310 tokens a call, 1.22 times stable's (roughly 1.1 to 1.35)`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rollout.decide.text.numbers import decimal

if TYPE_CHECKING:  # `surefoot check` describes plans without importing numpy
    from analysis.verdict.readout import Readout
    from rollout.plan.model.guardrail import Guardrail

SHOWN_ONLY = "shown only"
RULE = "a ratio of sums is no evidence: single requests may add any number"


def show_sums(guardrail: Guardrail) -> str:
    """Describe what is only shown: `shown only (tokens a call)`."""
    return f"{SHOWN_ONLY} ({guardrail.metric.unit} a {guardrail.metric.per})"


def measure_sums(guardrail: Guardrail, readout: Readout) -> str:
    """Describe what both versions add up to a unit, and the ratio with its rough interval."""
    if readout.ratio is None:
        return "nothing measured yet"
    metric = guardrail.metric
    own = decimal(readout.canary_bad * metric.step / max(readout.canary, 1))
    roughly = ""
    if readout.ratio_low is not None and readout.ratio_high is not None:
        roughly = f" (roughly {decimal(readout.ratio_low)} to {decimal(readout.ratio_high)})"
    times = f"{decimal(readout.ratio)} times stable's{roughly}"
    return f"{own} {metric.unit} a {metric.per}, {times}"


def conclude_sums(guardrail: Guardrail, readout: Readout) -> str:
    """Describe a ratio in a promotion's sentence: it is within a bound, or only shown."""
    bound = SHOWN_ONLY
    if guardrail.times is not None:
        bound = f"the plan's bound is {decimal(guardrail.times)}, without an error rate"
    return f"{guardrail.name}: {measure_sums(guardrail, readout)}; {bound}"


def await_sums(guardrail: Guardrail, readout: Readout) -> str:
    """Describe a ratio that a promotion waits for."""
    measure = measure_sums(guardrail, readout)
    wanted = f"a promotion waits for at most {decimal(guardrail.times or 0.0)} times"
    is_within = readout.ratio is not None and readout.ratio <= (guardrail.times or 0.0)
    few = ", known by more looks" if is_within else ""
    return f"{guardrail.name}: {measure}; {wanted}{few}"
