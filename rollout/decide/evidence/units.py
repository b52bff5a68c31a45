"""The units of a look that a guardrail's test compares, and why they cannot be compared."""

from __future__ import annotations

from analysis.counting.belief import count_look
from analysis.counting.beyond import count_beyond
from analysis.counting.counts import Counts, EvidenceError
from analysis.counting.cursor import Cursor
from analysis.fast_replace import replace
from rollout.decide.evidence.judges import follow_judge
from rollout.decide.evidence.off_scale import describe_off_scale, set_aside
from rollout.decide.evidence.unlabelled import count_unlabelled, describe_blinding
from rollout.decide.record.facts import Observed
from rollout.decide.state.guardrail import GuardrailState
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
        state, counts = set_aside(state, counts, metric)
    if metric.edge is not None:
        try:
            counts = count_beyond(counts, metric.edge, metric.worse, metric.spell)
        except EvidenceError as error:
            return replace(state, problem=str(error)), Counts()
    message = message or describe_off_scale(state) or describe_blinding(state.unlabelled, metric)
    return replace(state, problem=message), counts
