"""Scores beyond their scale: they are not compared, and a guardrail with unequal ones is blind."""

from __future__ import annotations

from analysis import sample_ratio
from analysis.counting.beyond import split_off_scale
from analysis.counting.counts import Counts
from analysis.fast_replace import replace
from rollout.decide.state.guardrail import GuardrailState, OffScale
from rollout.plan.fields.metric import DeclaredMetric
from rollout.plan.fields.units import percent


def set_aside(
    guardrail: GuardrailState, counts: Counts, metric: DeclaredMetric
) -> tuple[GuardrailState, Counts]:
    """Return the guardrail with the look's scores beyond the scale, and the counts to compare.

    Whether the versions differ in them is a test of shares: of all these the canary has as large a
    share as of all units.
    """
    if metric.kind != "shape" or metric.worse == "high":
        return guardrail, counts
    rest, (canary, stable) = split_off_scale(counts, metric.edge)
    units_c, units_s = counts.canary_exposures, counts.stable_exposures
    if not units_c or not units_s:
        return guardrail, rest
    before = guardrail.off_scale or OffScale()
    capital = before.capital or guardrail.share_start
    if canary or stable:
        capital = sample_ratio.update(capital, canary, stable, units_c / (units_c + units_s))
    off_scale = OffScale(
        before.canary + canary,
        before.stable + stable,
        before.canary_units + units_c,
        before.stable_units + units_s,
        capital,
    )
    return replace(guardrail, off_scale=off_scale), rest


def describe_off_scale(guardrail: GuardrailState) -> str:
    """Return why scores beyond the scale make the guardrail blind; empty where they do not."""
    off_scale = guardrail.off_scale
    if off_scale is None or not sample_ratio.mismatched(off_scale.capital):
        return ""
    canary, stable = (
        percent(round(count / units, 3))
        for count, units in (
            (off_scale.canary, off_scale.canary_units),
            (off_scale.stable, off_scale.stable_units),
        )
    )
    return (
        f"{canary} of the canary's scores are NaN or beyond the scale, {stable} of stable's: "
        "the others cannot be compared"
    )
