"""Who scores: what different versions of a judge scored is never compared.

A look in which two of them scored is set aside. With another one the counts start anew, since its
scale is another, and the evidence goes on: each test bets on its own looks alone, one after the
other, so that the product of what both have won is an e-process.
"""

from __future__ import annotations

import math

from analysis.fast_replace import replace
from analysis.histograms.shape_capital import ShapeCapital
from analysis.rates.rate import RateCapital
from analysis.rates.sign_test import SignTest
from analysis.verdict.histogram_test import HistogramTest
from analysis.verdict.pairs_test import PairsTest
from analysis.verdict.rate_test import RateTest
from analysis.verdict.sequential_test import SequentialTest
from rollout.decide.record.tally import LookTally
from rollout.decide.state.guardrail import GuardrailState, JudgeChange
from rollout.plan.fields.units import duration

SEVERAL = "two versions of the judge scored in one look, which cannot be compared"


def follow_judge(guardrail: GuardrailState, tally: LookTally) -> tuple[GuardrailState, str]:
    """Return the guardrail as its judge scores now, and why a look is set aside, if it is."""
    if len(tally.judges) > 1:
        return guardrail, SEVERAL
    judge = next(iter(tally.judges), guardrail.judge)
    if judge == guardrail.judge:
        return guardrail, ""
    if not guardrail.judge:
        return replace(guardrail, judge=judge), ""
    before = guardrail.logs
    number = guardrail.judged_anew.number if guardrail.judged_anew else 0
    proof = before.safe if math.isfinite(before.safe) else 0.0
    change = JudgeChange(tally.until, number + 1, replace(before, safe=proof))
    fresh = _begin_anew(guardrail.test)
    late = guardrail.late_test and fresh
    anew = replace(guardrail, judge=judge, judged_anew=change, test=fresh, late_test=late)
    return anew, ""


def _begin_anew(test: SequentialTest) -> SequentialTest:
    """Return a test before any look; what is learnt of how requests differ stays."""
    if isinstance(test, RateTest):
        return replace(test, capital=RateCapital())
    if isinstance(test, HistogramTest):
        return replace(test, capital=ShapeCapital())
    return replace(test, signs=SignTest(), ties=0) if isinstance(test, PairsTest) else test


def describe_judge(guardrail: GuardrailState, now: float) -> str:
    """Say for how long another version of the judge has scored; empty where none came."""
    change = guardrail.judged_anew
    if change is None:
        return ""
    lasted = duration(round(max(now - change.at, 0.0)))
    return f"another version of the judge has scored for {lasted}, and the counts are of it alone"
