"""Judge the recorded counts again, by the rollout's own tests from their beginning on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress

from analysis.counting.counts import Counts, EvidenceError
from analysis.verdict.sequential_test import SequentialTest
from analysis.verdict.verdict import Guarded, Judgement, judge
from rollout.decide.evidence.look_use import feed
from rollout.decide.text.comparison import observational
from rollout.experiment.tables.quality.newest_judge import leave_out_others
from rollout.review.history import RecordedRollout
from rollout.review.units import LookUnits

Tests = Mapping[str, SequentialTest]


def list_compared(record: RecordedRollout) -> list[LookUnits]:
    """Return the looks' counts that the tests compared, in order; of a judge's newest version."""
    return [units for units in leave_out_others(record, record.units) if units.is_compared]


def list_counts(record: RecordedRollout, name: str) -> list[Counts]:
    """Return the counts of one guardrail, or of one segment's, that its test compared, in order."""
    looks = [own for own in (*record.units, *record.segment_units) if own.guardrail == name]
    return [own.counts for own in leave_out_others(record, looks) if own.is_compared]


def find_fresh_tests(record: RecordedRollout) -> dict[str, SequentialTest]:
    """Return the guardrails' tests before they saw anything.

    What was learnt of stable's past holds from the start, also where it was learnt later.
    """
    tests: dict[str, SequentialTest] = {}
    for name, own in record.states[0].guardrails.items():
        learnt = record.state.guardrails[name].test.dispersion
        tests[name] = own.test if learnt is None else own.test.with_dispersion(learnt)
    return tests


def update_all(tests: Tests, looks: Iterable[LookUnits]) -> dict[str, SequentialTest]:
    """Return the tests after some looks, each used as it was.

    A look whose buckets a test cannot compare is left out.
    """
    after = dict(tests)
    for units in looks:
        if units.counts.canary_exposures or units.counts.stable_exposures:
            with suppress(EvidenceError):
                after[units.guardrail] = feed(after[units.guardrail], units.counts, units.use)
    return after


def judge_all(record: RecordedRollout, tests: Tests) -> Judgement:
    """Return the judgement of tests at the plan's error rates, as a look gives it."""
    spec = record.state.plan.spec
    has_label = bool(observational(record.state.plan))
    guards = {
        g.name: Guarded(tests[g.name], g.importance, observational=has_label)
        for g in spec.guardrails
    }
    return judge(guards, spec.confidence.false_rollback, spec.confidence.false_promotion)
