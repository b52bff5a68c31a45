"""The plan's goals: what the controller concluded, with its numbers, and the relative change."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from analysis.verdict.superiority_test import GoalResult, GoalTest, SuperiorityTest
from rollout.decide.evidence.goals import conclude_in_segments
from rollout.decide.text.evidence import describe_suppressed
from rollout.decide.text.experiment import condition_of, list_goal_numbers
from rollout.decide.text.suppression import Suppression, find_suppressed
from rollout.experiment.tables import uplift
from rollout.experiment.tables.retest import list_counts
from rollout.plan.model.guardrail import Guardrail
from rollout.plan.model.trial.segments import SegmentGuardrail
from rollout.review.history import RecordedRollout


@dataclass(frozen=True)
class GoalRow:
    """One goal of the plan, as the controller acted on it; of all units, or of one `segment`.

    `low` and `high` bound the difference of shares of bad units at all looks at once; `change` is
    the ratio of the shares less 1, with bounds of its own (None: without one). `better` and
    `worse` are evidence as log10, alone at the last look, and corrected for all goals (e-Holm) at
    the look where it was the most; `needed` is what a conclusion takes.
    `note` says what is not enough, why a segment's numbers are not told,
    or under what the conclusion holds.
    """

    goal: str
    segment: str
    what: str
    conclusion: str
    canary_units: int | None
    stable_units: int | None
    canary_share: float | None
    stable_share: float | None
    difference: float | None
    low: float | None
    high: float | None
    change: float | None
    change_low: float | None
    change_high: float | None
    better: float | None
    worse: float | None
    better_of_all: float | None
    worse_of_all: float | None
    needed: float
    level: float
    note: str


def goals(record: RecordedRollout) -> Iterator[GoalRow]:
    """Yield each goal of the plan, in its order, then those of segments; none without any."""
    state = record.state
    results = conclude_in_segments(state) if state.goals else {}
    guardrails = {guardrail.name: guardrail for guardrail in state.plan.spec.guardrails}
    for goal in state.plan.spec.goals or ():
        name = goal.guardrail
        yield _build_row(record, guardrails[name], results[name], None)
    for segment in state.plan.spec.segment_guardrails:
        if segment.name in results:
            yield _build_row(record, segment.guardrail, results[segment.name], segment)


def _build_row(
    record: RecordedRollout,
    guardrail: Guardrail,
    result: GoalResult,
    segment: SegmentGuardrail | None,
) -> GoalRow:
    state, level = record.state, record.state.plan.spec.false_winner
    own = (state.segment_goals if segment else state.goals)[guardrail.name]
    numbers = list_goal_numbers(own, result, level)
    why = find_suppressed(state).get(guardrail.name)
    is_hidden = why is not None
    row = None if is_hidden else _compare(record, guardrail, own, level)
    numbers_shown = {key: None if is_hidden else value for key, value in numbers.items()}
    return GoalRow(
        goal=segment.of if segment else guardrail.name,
        segment=f"{segment.label}={segment.value}" if segment else "",
        what=uplift.describe_bad(guardrail, own.edge),
        conclusion=result.conclusion,
        canary_units=numbers_shown["canary"],
        stable_units=numbers_shown["stable"],
        canary_share=_divide(numbers_shown["canary_bad"], numbers_shown["canary"]),
        stable_share=_divide(numbers_shown["stable_bad"], numbers_shown["stable"]),
        difference=numbers_shown["difference"],
        low=numbers_shown["low"],
        high=numbers_shown["high"],
        change=row.change if row else None,
        change_low=row.change_low if row else None,
        change_high=row.change_high if row else None,
        better=numbers_shown["better"],
        worse=numbers_shown["worse"],
        better_of_all=numbers_shown["better_of_all"],
        worse_of_all=numbers_shown["worse_of_all"],
        needed=numbers["needed"],
        level=level,
        note=_note(own, segment, why) or condition_of(state, guardrail.name, result.conclusion),
    )


def _compare(
    record: RecordedRollout, guardrail: Guardrail, own: GoalTest, level: float
) -> uplift.UpliftRow | None:
    if not isinstance(own, SuperiorityTest):
        return None  # what one version of a pair loses the other wins: no share is relative to one
    counts = list_counts(record, guardrail.name)
    return uplift.compare(guardrail, counts, own.edge, own.test.dispersion, level)


def _divide(bad: int | None, units: int | None) -> float | None:
    return bad / units if bad is not None and units else None


def _note(own: GoalTest, segment: SegmentGuardrail | None, why: Suppression | None) -> str:
    if segment is not None and why is not None:
        return describe_suppressed(segment, why)
    return own.problem or ("" if own.contrast.e_c else "no look compared both versions")
