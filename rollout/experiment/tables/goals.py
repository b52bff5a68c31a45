"""The plan's goals: what the controller concluded, with its numbers, and the relative change."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from analysis.verdict.superiority_test import SuperiorityTest
from rollout.decide.text.experiment import list_numbers
from rollout.experiment.tables import uplift
from rollout.experiment.tables.retest import list_compared
from rollout.review.history import RecordedRollout


@dataclass(frozen=True)
class GoalRow:
    """One goal of the plan, as the controller acted on it.

    `low` and `high` bound the difference of shares of bad units at all looks at once; `change` is
    the ratio of the shares less 1, with bounds of its own (None: without one). `better` and
    `worse` are evidence as log10, alone and corrected for all goals (e-Holm); `needed` is what a
    conclusion takes. `note` says what is not enough.
    """

    goal: str
    what: str
    conclusion: str
    canary_units: int
    stable_units: int
    canary_share: float | None
    stable_share: float | None
    difference: float | None
    low: float | None
    high: float | None
    change: float | None
    change_low: float | None
    change_high: float | None
    better: float
    worse: float
    better_of_all: float
    worse_of_all: float
    needed: float
    level: float
    note: str


def goals(record: RecordedRollout) -> Iterator[GoalRow]:
    """Yield each goal of the plan, in its order; none where it declares none."""
    spec = record.state.plan.spec
    level, tests = spec.false_winner, record.state.goals
    recorded = list_numbers(record.state)
    guardrails = {guardrail.name: guardrail for guardrail in spec.guardrails}
    for goal in spec.goals or ():
        name = goal.guardrail
        own, numbers = tests[name], recorded[name]
        contrast, guardrail = own.contrast, guardrails[name]
        counts = [units.counts for units in list_compared(record) if units.guardrail == name]
        row = None  # what one version of a pair loses the other wins: no share is relative to one
        if isinstance(own, SuperiorityTest):
            row = uplift.compare(guardrail, counts, own.edge, own.test.dispersion, level)
        yield GoalRow(
            goal=name,
            what=uplift.describe_bad(guardrail, own.edge),
            conclusion=numbers["conclusion"],
            canary_units=contrast.e_c,
            stable_units=contrast.e_s,
            canary_share=contrast.x_c / contrast.e_c if contrast.e_c else None,
            stable_share=contrast.x_s / contrast.e_s if contrast.e_s else None,
            difference=numbers["difference"],
            low=numbers["low"],
            high=numbers["high"],
            change=row.change if row else None,
            change_low=row.change_low if row else None,
            change_high=row.change_high if row else None,
            better=numbers["better"],
            worse=numbers["worse"],
            better_of_all=numbers["better_of_all"],
            worse_of_all=numbers["worse_of_all"],
            needed=numbers["needed"],
            level=level,
            note=own.problem or ("" if contrast.e_c else "no look compared both versions"),
        )
