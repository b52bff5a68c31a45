"""What is concluded of a rollout's goals; a conclusion is never taken back.

The corrected evidence of each goal is the least of means of e-processes, so the chance that it ever
reaches its bar wrongly is bounded, and its highest value counts (Ville's inequality).
"""

from __future__ import annotations

import math

from analysis.fast_replace import replace
from analysis.verdict.superiority_test import GoalResult, conclude, name_conclusion
from rollout.decide.state.rollout import RolloutState
from rollout.decide.state.trial import BestEvidence


def conclude_goals(state: RolloutState) -> dict[str, GoalResult]:
    """Return what is known of each goal, of all units."""
    results = conclude_in_segments(state)
    return {name: results[name] for name in state.goals}


def conclude_in_segments(state: RolloutState) -> dict[str, GoalResult]:
    """Return what is known of each goal, and of each in every segment.

    All are one family: evidence over all of them is the most that it ever was.
    """
    level = state.plan.spec.false_winner
    results = conclude({**state.goals, **state.segment_goals}, level) if state.goals else {}
    return {
        name: _latch(result, state.trial.best.get(name, BestEvidence()), -math.log(level))
        for name, result in results.items()
    }


def note_best(state: RolloutState) -> RolloutState:
    """Remember the most evidence that each goal has had."""
    if not state.goals:
        return state
    best = {
        name: BestEvidence(max(result.better_of_all, 0.0), max(result.worse_of_all, 0.0))
        for name, result in conclude_in_segments(state).items()
    }
    if best == state.trial.best:
        return state
    return replace(state, trial=replace(state.trial, best=best))


def _latch(result: GoalResult, best: BestEvidence, needed: float) -> GoalResult:
    better = max(result.better_of_all, best.better)
    worse = max(result.worse_of_all, best.worse)
    conclusion = name_conclusion(better, worse, needed)
    return result._replace(better_of_all=better, worse_of_all=worse, conclusion=conclusion)
