"""Rules of an experiment: the traffic follows the evidence, and its end names a winner.

How it works: at the ramp's last step the goals are compared until the declared end. Where the plan
lets the shares follow the evidence, the canary gets the chance that it is better at the first goal,
between floor and cap, as Thompson sampling would deal it on average. The end promotes a winner, or
takes the canary back, or asks a person, as the plan says. Guardrails go on all the while.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping

from analysis.fast_replace import replace
from analysis.verdict.superiority_test import GoalResult, GoalTest
from rollout.decide.evidence.goals import conclude_in_segments
from rollout.decide.record.reasons import Reason
from rollout.decide.record.split import split_at
from rollout.decide.rules.authority import act_as_full
from rollout.decide.rules.choice import Choice, hold, pause, roll_back
from rollout.decide.rules.progress import near_harm, proven
from rollout.decide.rules.ramp import at_last_step
from rollout.decide.rules.view import View
from rollout.decide.state.rollout import RolloutState
from rollout.plan.model.trial.terms import Allocation

LEAST_MOVE = 0.05
"""Share of all traffic: a smaller move is not worth a write to the mesh."""

_EXACT = 1e-9


def comparing(view: View) -> Choice | None:
    """Hold at the last step until the experiment's end, and move its shares meanwhile.

    At the end a canary that is better at a goal and worse at none goes on to the rules of a
    promotion, which ask that it is safe. Any other is taken back.
    """
    state = view.state
    experiment = state.plan.spec.experiment
    if experiment is None or state.phase != "stepping" or not at_last_step(state):
        return None
    results = conclude_in_segments(state)
    if not is_over(state, view.clock, results):
        return _reallocate(view, experiment.allocation) or hold(view, Reason.EXPERIMENT)
    reasons = list_results(results, state.goals)
    has_won = is_winner(results, state.goals)
    is_left = state.authority == "advance" and has_won  # it asks for any promotion
    if experiment.winner == "ask" and not is_left and not _is_granted(state):
        return pause(view, Reason.AWAITING_PERSON, *reasons)
    if not has_won:
        return roll_back(view, *reasons)
    choice = proven(view)
    is_first = choice is not None and choice.reasons == (Reason.ALL_SAFE,)
    return replace(choice, reasons=(*reasons, Reason.ALL_SAFE)) if choice and is_first else choice


def follow(state: RolloutState) -> RolloutState:
    """Count the time at the ramp's last step, also of a rollout that only observes.

    It begins once the traffic is steady there; a pause or a retreat stops it.
    """
    trial, spec = state.trial, state.plan.spec
    if spec.experiment is None:
        return state
    phase = act_as_full(state).phase if state.phase == "observing" else state.phase
    is_there = phase == "stepping" and at_last_step(state) and state.wanted.canary > 0
    has_begun = trial.has_begun or (
        is_there and state.steady_at is not None and not state.delivery.is_open
    )
    since = state.clock if is_there and has_begun else None
    if (since is None) == (trial.since is None):
        return state
    if not trial.has_begun:
        trial = replace(
            trial, has_begun=True, looks_before=state.goal_looks, units_before=state.goal_units
        )
    lasted = trial.lasted_by(state.clock)
    return replace(state, trial=replace(trial, lasted=lasted, since=since))


def is_running(state: RolloutState) -> bool:
    """Return whether an experiment is at its last step and has not ended."""
    return state.trial.since is not None and state.phase in {"stepping", "observing"}


def is_over(state: RolloutState, clock: float, results: Mapping[str, GoalResult]) -> bool:
    """Return whether an experiment has reached its end; with `early`, or concluded on all goals."""
    experiment, trial = state.plan.spec.experiment, state.trial
    if experiment is None or not trial.has_begun:
        return False
    if experiment.early and all(results[name].conclusion != "undecided" for name in state.goals):
        return True
    end = experiment.end
    has_lasted = end.after is not None and trial.lasted_by(clock) >= end.after
    has_looks = end.looks is not None and state.trial_looks >= end.looks
    has_units = end.requests is not None and state.trial_units >= end.requests
    return has_lasted or has_looks or has_units


def is_winner(results: Mapping[str, GoalResult], goals: Collection[str]) -> bool:
    """Return whether the canary has won: better at a goal, and worse at none and in no segment."""
    is_better = any(results[name].conclusion == "better" for name in goals)
    return is_better and all(result.conclusion != "worse" for result in results.values())


def list_results(results: Mapping[str, GoalResult], goals: Collection[str]) -> list[str]:
    """Return the reason of each goal that is concluded; that none is better where none is.

    Of segments only those that are worse decide anything.
    """
    named = [(name, result.conclusion) for name, result in sorted(results.items())]
    worse = [Reason.WORSE.of(name) for name, conclusion in named if conclusion == "worse"]
    better = [
        Reason.BETTER.of(n) for n, conclusion in named if conclusion == "better" and n in goals
    ]
    return [*worse, *better] or [Reason.NOT_BETTER]


def _is_granted(state: RolloutState) -> bool:
    """Return whether a person resumed after the end was told, and nothing moved since."""
    asking, move = state.pause, state.move
    if asking is None or Reason.AWAITING_PERSON not in asking.reasons:
        return False
    return state.resumed_wall >= asking.at and (move is None or move.at <= asking.at)


def _reallocate(view: View, allocation: Allocation | None) -> Choice | None:
    """Move the shares to where the evidence points; None where they stay.

    The first goal's evidence of harm never gets more traffic, as on every step.
    """
    state = view.state
    first = state.first_goal
    if allocation is None or first is None or not state.wanted.canary:
        return None
    since = state.trial.looks_before if state.trial.moved_looks is None else state.trial.moved_looks
    if state.goal_looks - since < allocation.every:
        return None
    share = choose_share(first, allocation)
    if abs(share - state.wanted.share) < LEAST_MOVE - _EXACT:
        return None
    split = split_at(share, state.total, state.wanted.way)
    if split.canary > state.wanted.canary and near_harm(view) is not None:
        return None
    return Choice("reallocate", split, (Reason.REALLOCATED,))


def choose_share(goal: GoalTest, allocation: Allocation) -> float:
    """Choose the canary's share: the chance that it is better, between floor and cap.

    The chance is that of a normal approximation with flat priors. It need not be exact: it only
    deals traffic, and every look is tested given its own exposures. It is rounded to a per cent.

    Source: Thompson, Biometrika 25 (1933), 285-294: traffic by the probability of being better.
    """
    contrast = goal.contrast
    difference = contrast.difference
    if difference is None or not contrast.e_s:
        return 0.5
    shares = [
        (bad + 1) / (units + 2)
        for bad, units in ((contrast.x_c, contrast.e_c), (contrast.x_s, contrast.e_s))
    ]
    counts = (contrast.e_c, contrast.e_s)
    variance = sum(p * (1 - p) / n for p, n in zip(shares, counts, strict=True))
    deviation = math.sqrt(variance * max(contrast.log_divisor, 1.0))
    chance = 0.5 * math.erfc(difference / (deviation * math.sqrt(2)))
    return min(max(round(chance, 2), allocation.least), allocation.most)
