"""Texts about what is no evidence: ratios of sums, and exposures.

`2,310 tokens a call, 1.22 times stable's (roughly 1.1 to 1.35)`; `the canary got 1,204 requests`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rollout.decide.text.numbers import decimal

if TYPE_CHECKING:  # `surefoot check` describes plans without importing numpy
    from analysis.verdict.readout import Readout
    from rollout.plan.model.guardrail import Guardrail

_SHOWN_ONLY = "shown only"


def explain_rule(guardrail: Guardrail) -> str:
    """Say why a metric is no evidence."""
    if guardrail.metric.kind == "human":
        return "people's labels are no evidence: they are shown beside the judge's scores"
    if guardrail.metric.kind == "exposure":
        return "exposures are no evidence of harm: the share of traffic is tested by them"
    return "a ratio of sums is no evidence: single requests may add any number"


def show_only(guardrail: Guardrail) -> str:
    """Describe what bounds nothing: `shown only (tokens a call)`."""
    metric = guardrail.metric
    if metric.kind == "exposure":
        return f"counted ({metric.unit})"
    if metric.kind == "human":
        return f"{_SHOWN_ONLY} (people's {metric.unit})"
    return f"{_SHOWN_ONLY} ({metric.unit} {metric.of_one})"


def measure(guardrail: Guardrail, readout: Readout) -> str:
    """Describe what is measured: counts, or both versions' sums with their rough interval."""
    metric = guardrail.metric
    if metric.kind == "human":
        return (
            f"people call {readout.canary_bad:,} of {readout.canary:,} answers of the canary bad, "
            f"{readout.stable_bad:,} of {readout.stable:,} of stable's"
        )
    if metric.kind == "exposure":
        return f"{readout.canary:,} {metric.unit} of the canary, {readout.stable:,} of stable"
    if readout.ratio is None:
        return "nothing measured yet"
    own = decimal(readout.canary_bad * metric.step / max(readout.canary, 1))
    roughly = ""
    if readout.ratio_low is not None and readout.ratio_high is not None:
        roughly = f" (roughly {decimal(readout.ratio_low)} to {decimal(readout.ratio_high)})"
    times = f"{decimal(readout.ratio)} times stable's{roughly}"
    return f"{own} {metric.unit} {metric.of_one}, {times}"


def conclude(guardrail: Guardrail, readout: Readout) -> str:
    """Describe it in a promotion's sentence: it is within a bound, or bounds nothing."""
    text = f"{guardrail.name}: {measure(guardrail, readout)}"
    if guardrail.metric.kind == "exposure":
        return text
    bound = _SHOWN_ONLY
    if guardrail.times is not None:
        bound = f"the plan's bound is {decimal(guardrail.times)}, without an error rate"
    return f"{text}; {bound}"


def await_unweighed(guardrail: Guardrail, readout: Readout) -> str:
    """Describe what a promotion waits for."""
    text = f"{guardrail.name}: {measure(guardrail, readout)}"
    if guardrail.metric.kind == "exposure":
        return text
    wanted = f"a promotion waits for at most {decimal(guardrail.times or 0.0)} times"
    is_within = readout.ratio is not None and readout.ratio <= (guardrail.times or 0.0)
    few = ", known by more looks" if is_within else ""
    return f"{text}; {wanted}{few}"
