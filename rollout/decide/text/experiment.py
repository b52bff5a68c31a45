"""Texts about goals: what is measured, what is concluded, and how far the experiment has come."""

from __future__ import annotations

import math
from typing import Any

from analysis.fast_replace import replace
from analysis.verdict.pairs_test import PairsGoal
from analysis.verdict.superiority_test import Conclusion, GoalResult, GoalTest
from rollout.decide.evidence.goals import conclude_goals, conclude_in_segments
from rollout.decide.state.rollout import RolloutState
from rollout.decide.text.error_rates import describe_condition
from rollout.decide.text.evidence import describe_suppressed, find_segment, list_measured
from rollout.decide.text.kinds.pairs import compare_pairs
from rollout.decide.text.measurement import name_bad
from rollout.decide.text.numbers import chance, hundredths, points
from rollout.decide.text.suppression import find_suppressed
from rollout.plan.fields.units import duration, percent


def measure_goal(state: RolloutState, name: str) -> str:
    """Say both shares, their difference and its bounds: `1.2 % of the canary's requests ...`."""
    goal, level = {**state.goals, **state.segment_goals}[name], state.plan.spec.false_winner
    guardrail, segment = list_measured(state)[name], find_segment(state, name)
    why = find_suppressed(state).get(name)
    if segment is not None and why is not None:
        return describe_suppressed(segment, why)
    if isinstance(goal, PairsGoal):
        return compare_pairs(goal.signs, level)
    edge = guardrail.metric.edge if goal.edge is None else goal.edge
    bad = name_bad(replace(guardrail.metric, edge=edge))
    contrast = goal.contrast
    if contrast.difference is None:
        return goal.problem or "nothing is compared yet"
    canary, stable = (
        percent(float(f"{bad / max(units, 1):.3g}"))
        for bad, units in ((contrast.x_c, contrast.e_c), (contrast.x_s, contrast.e_s))
    )
    low, high = goal.bound_difference(level)
    return (
        f"{canary} of the canary's {bad}, stable's {stable}: "
        f"{points(contrast.difference)} ({hundredths(low)} to {hundredths(high)})"
    )


def describe_experiment(state: RolloutState, _: str = "") -> str:
    """Describe how far an experiment has come, and its first goal."""
    progress = describe_progress(state, state.clock)
    return f"the experiment goes on ({progress}); {_measure_first(state)}"


def describe_progress(state: RolloutState, clock: float) -> str:
    """Describe what is done of an experiment: `1,200 of 5,000 units, 3h of 7d`."""
    experiment, trial = state.plan.spec.experiment, state.trial
    if experiment is None or not trial.has_begun:
        return ""
    end, parts = experiment.end, []
    if end.requests is not None:
        parts.append(f"{state.trial_units:,} of {end.requests:,} units")
    if end.looks is not None:
        parts.append(f"{state.trial_looks:,} of {end.looks:,} looks")
    if end.after is not None:
        parts.append(f"{duration(trial.lasted_by(clock))} of {duration(end.after)}")
    return ", ".join(parts)


def describe_conclusion(state: RolloutState, name: str, conclusion: Conclusion) -> str:
    """Describe one goal that is better or worse, under what, and how unlikely it is by chance."""
    level = state.plan.spec.false_winner
    result = conclude_in_segments(state)[name]
    evidence = result.better_of_all if conclusion == "better" else result.worse_of_all
    count, segments = len(state.goals), len(state.segment_goals)
    family = f" over all {count} goals" if count > 1 else ""
    if segments:
        family = f" over {count} goal{'s' if count > 1 else ''} and {segments} in segments"
    bound = percent(level) if name in find_suppressed(state) else chance(evidence)
    return (
        f"{name} is {conclusion}, {describe_condition(state, name)}: "
        f"{measure_goal(state, name)}; chance of this from "
        f"equal versions: below {bound}{family} (the plan accepts {percent(level)})"
    )


def condition_of(state: RolloutState, name: str, conclusion: str) -> str:
    """Return under what a goal's conclusion holds; empty where there is none."""
    return "" if conclusion == "undecided" else describe_condition(state, name)


def describe_goals(state: RolloutState) -> dict[str, str]:
    """Describe each goal of all units: what is concluded, under what, and what is measured."""
    texts = {}
    for name, result in conclude_goals(state).items() if state.goals else ():
        condition = condition_of(state, name, result.conclusion)
        heads = [result.conclusion, *filter(None, [condition])]
        texts[name] = f"{', '.join(heads)}: {measure_goal(state, name)}"
    return texts


def describe_no_winner(state: RolloutState, _: str = "") -> str:
    """Describe an end at which no goal is known to be better."""
    texts = [f"{name}: {measure_goal(state, name)}" for name in state.goals]
    return f"the experiment is over and no goal is known to be better; {'; '.join(texts)}"


def describe_reallocation(state: RolloutState, _: str = "") -> str:
    """Describe why an experiment's shares move."""
    return f"the shares follow the evidence; {_measure_first(state)}"


def _measure_first(state: RolloutState) -> str:
    goals = state.plan.spec.goals or ()
    names = (goal.guardrail for goal in goals[:1])
    return "".join(f"{name}: {measure_goal(state, name)}" for name in names)


def list_numbers(state: RolloutState) -> dict[str, dict[str, Any]]:
    """Return every goal's numbers as plain data; evidence is log10, shares are 0 to 1."""
    level = state.plan.spec.false_winner
    results = conclude_goals(state)
    return {
        name: list_goal_numbers(state.goals[name], result, level)
        for name, result in results.items()
    }


def list_goal_numbers(goal: GoalTest, result: GoalResult, level: float) -> dict[str, Any]:
    """Return one goal's numbers as plain data, see `list_numbers`."""
    contrast = goal.contrast
    low, high = goal.bound_difference(level)
    return {
        **({"of": "pairs"} if isinstance(goal, PairsGoal) else {}),
        "canary": contrast.e_c,
        "stable": contrast.e_s,
        "canary_bad": contrast.x_c,
        "stable_bad": contrast.x_s,
        "difference": contrast.difference,
        "low": low if contrast.e_c else None,
        "high": high if contrast.e_c else None,
        "better": result.better / math.log(10),
        "worse": result.worse / math.log(10),
        "better_of_all": result.better_of_all / math.log(10),
        "worse_of_all": result.worse_of_all / math.log(10),
        "needed": -math.log10(level),
        "conclusion": result.conclusion,
    }
