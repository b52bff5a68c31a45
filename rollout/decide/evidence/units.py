"""The units of a look that a guardrail's test compares, and why they cannot be compared.

Scores beyond their scale are not, and a guardrail with unequal ones is blind.
"""

from __future__ import annotations

from analysis import sample_ratio
from analysis.counting.belief import count_look
from analysis.counting.beyond import count_beyond, split_off_scale
from analysis.counting.counts import Counts, EvidenceError
from analysis.counting.cursor import Cursor
from analysis.fast_replace import replace
from rollout.decide.evidence.judges import follow_judge
from rollout.decide.evidence.unlabelled import count_unlabelled, describe_blinding
from rollout.decide.record.facts import Observed
from rollout.decide.state.guardrail import GuardrailState, OffScale
from rollout.plan.fields.metric import DeclaredMetric
from rollout.plan.fields.units import percent
from rollout.plan.model.plan import Guardrail


def read_units(
    state: GuardrailState, fact: Observed, guardrail: Guardrail, began: float
) -> tuple[GuardrailState, Counts]:
    """Return the guardrail's state after a look, and the new counts; the rollout `began` then.

    Where the observer counted, they are recorded. Raw samples move the cursor; those that cannot be
    used move nothing, so the next look covers their time as well.
    """
    name = guardrail.name
    message = fact.problems.get(name, "")
    if tally := fact.tallies.get(name):
        state = replace(state, tally=tally, cursor=Cursor())
        state, several = follow_judge(state, tally)
        if several:
            return replace(state, problem=several), Counts()
        return _count_units(state, tally.counts, guardrail, message)
    cursor = state.cursor if guardrail.metric.needs_stable else state.cursor.begun(began)
    try:
        belief = count_look(cursor, fact.series.get(name, ()), fact.zeros.get(name))
    except EvidenceError as error:
        return replace(state, problem=str(error)), Counts((0, 0), (0, 0))
    state = replace(state, cursor=belief.cursor)
    # Older journals took scores beyond their scale for the best ones.
    is_old = name not in fact.zeros
    return _count_units(state, belief.counts, guardrail, message, is_old=is_old)


def _count_units(
    state: GuardrailState,
    counts: Counts,
    guardrail: Guardrail,
    message: str,
    *,
    is_old: bool = False,
) -> tuple[GuardrailState, Counts]:
    """Return the guardrail's state and the units that its test compares."""
    metric = guardrail.metric
    state = count_unlabelled(state, counts)
    if not is_old:
        state, counts = _set_aside(state, counts, metric)
    if metric.edge is not None:
        try:
            counts = count_beyond(counts, metric.edge, metric.worse, metric.spell)
        except EvidenceError as error:
            return replace(state, problem=str(error)), Counts()
    message = message or _describe_off_scale(state) or describe_blinding(state.unlabelled, metric)
    return replace(state, problem=message), counts


def _set_aside(
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


def _describe_off_scale(guardrail: GuardrailState) -> str:
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
