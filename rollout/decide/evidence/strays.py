"""Scores beyond their scale: they are not compared, and a guardrail with unequal ones is blind."""

from __future__ import annotations

from analysis import sample_ratio
from analysis.counting.counts import Counts
from analysis.counting.strays import split_strays
from analysis.fast_replace import replace
from rollout.decide.state.guardrail import GuardrailState, Strays
from rollout.plan.fields.templates import Template
from rollout.plan.fields.units import percent


def set_aside(
    guardrail: GuardrailState, counts: Counts, template: Template
) -> tuple[GuardrailState, Counts]:
    """Return the guardrail with the look's strays added, and the counts that are compared.

    Whether the versions differ in them is a test of shares: of all strays the canary has as large a
    share as of all units.
    """
    if template.kind == "rate" or template.worse == "high":
        return guardrail, counts
    rest, (canary, stable) = split_strays(counts)
    units_c, units_s = counts.canary_exposures, counts.stable_exposures
    if not units_c or not units_s:
        return guardrail, rest
    before = guardrail.strays or Strays()
    capital = before.capital or sample_ratio.start()
    if canary or stable:
        capital = sample_ratio.update(capital, canary, stable, units_c / (units_c + units_s))
    strays = Strays(
        before.canary + canary,
        before.stable + stable,
        before.canary_units + units_c,
        before.stable_units + units_s,
        capital,
    )
    return replace(guardrail, strays=strays), rest


def describe_strays(guardrail: GuardrailState) -> str:
    """Return why strays make the guardrail blind; empty where they do not."""
    strays = guardrail.strays
    if strays is None or not sample_ratio.mismatched(strays.capital):
        return ""
    canary, stable = (
        percent(round(count / units, 3))
        for count, units in (
            (strays.canary, strays.canary_units),
            (strays.stable, strays.stable_units),
        )
    )
    return (
        f"{canary} of the canary's scores are NaN or beyond the scale, {stable} of stable's: "
        "the others cannot be compared"
    )
