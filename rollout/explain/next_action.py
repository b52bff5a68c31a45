"""What a rollout waits for: the next action, when it comes, and on which condition."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from rollout.decide.evidence.baseline import baseline_complete
from rollout.decide.evidence.exposure import mirror_of
from rollout.decide.record.reasons import Reason, first_reason
from rollout.decide.record.split import Split
from rollout.decide.rules.experiment import is_running
from rollout.decide.rules.ramp import held_back, next_split
from rollout.decide.rules.safety import CLIMBING
from rollout.decide.rules.view import View
from rollout.decide.state.rollout import Phase, RolloutState
from rollout.decide.text.comparison import format_split
from rollout.decide.text.experiment import describe_progress
from rollout.decide.text.measurement import NEAR
from rollout.plan.fields.units import duration, percent

_APART = 60.0  # seconds from which on lived and wall time are both told
_DISTANCE = f"the evidence of harm is at most {percent(NEAR)} of a rollback's"


def next_action(rollout_view: View) -> str:
    """Describe the next action, when it comes, and on which condition.

    Where the wall clock has gone on without the rollout, both times stand behind it: what waits for
    a time waits for one that is lived through.
    """
    return f"{_describe_wait(rollout_view)}{_describe_times(rollout_view)}"


def _describe_times(rollout_view: View) -> str:
    """Tell lived and wall time where they are apart; empty where they are not."""
    start = rollout_view.state.started_at
    lived, elapsed = rollout_view.clock - start, rollout_view.now - start
    if abs(elapsed - lived) < _APART:
        return ""
    wall = duration(elapsed) if elapsed > 0 else "none"
    return f" (lived through {duration(lived)} of {wall} by the wall clock)"


def _describe_wait(rollout_view: View) -> str:
    """Describe what the rollout waits for: the first check that applies."""
    state = rollout_view.state
    if state.delivery.is_open:
        return f"the mesh confirms {format_split(state.wanted)}"
    if describe := _ENDS_OF_PHASES.get(state.phase):
        return describe(state, rollout_view.clock)
    waiting = _describe_obstacle(state) or _describe_end_of_blindness(rollout_view)
    if waiting := waiting or _describe_experiment(rollout_view):
        return waiting
    if not state.stepped and not baseline_complete(state):
        return f"switch when enough samples of {state.versions[0]} are collected"
    if state.warm_at is None and state.wanted.served_share:
        return f"wait for the first request of {state.versions[1]}"
    goal = next_split(state)
    what, condition = _describe_goal(state, goal)
    wait = _compute_wait(rollout_view)
    if rollout_view.near_harm:  # nobody knows when the evidence falls, so no time is given
        condition, wait = f"{condition} and {_DISTANCE}", 0.0
    return f"{what} in {duration(wait)} if {condition}" if wait >= 1 else f"{what} when {condition}"


_OBSTACLES: Mapping[Reason | None, str] = {
    Reason.NOT_AT_STABLE: "begin when all traffic is at stable",
    Reason.ROUTE_UNREAD: "begin when the route can be read",
    Reason.AWAITING_ENDPOINTS: "begin when the canary has a ready endpoint",
    Reason.ROUTE_CONDITIONS: "continue when nothing stands against the route",
}


def _describe_obstacle(state: RolloutState) -> str:
    """Describe what ends a wait for the route or for endpoints; empty without one."""
    last = state.last
    is_waiting = last is not None and last.action == "hold"
    return _OBSTACLES.get(first_reason(last.reasons), "") if is_waiting and last else ""


def _describe_experiment(rollout_view: View) -> str:
    """Describe what ends an experiment; empty without one, and before its last step."""
    state = rollout_view.state
    if not is_running(state):
        return ""
    return f"go on until the experiment ends ({describe_progress(state, rollout_view.clock)})"


def _describe_goal(state: RolloutState, goal: Split | None) -> tuple[str, str]:
    """Return the next change of the weight, and its condition."""
    if goal is not None:
        return f"advance to {format_split(goal)}", "no guardrail shows harm"
    if state.phase == "holding back":
        return "promote", "no guardrail shows harm"
    split = held_back(state)
    change = f"hold back {percent(1 - split.share)}" if split else "promote"
    return change, "every guardrail is safe"


def _describe_end_of_blindness(rollout_view: View) -> str:
    """Describe what ends the blindness, and when the plan's `whenBlind` acts; empty without one."""
    if not rollout_view.blind:
        return ""
    state, policy = rollout_view.state, rollout_view.state.plan.spec.when_blind
    text = "continue when every guardrail has data again (surefoot doctor names the cause)"
    if state.phase not in CLIMBING:
        return text
    longest = max(rollout_view.blind_for(name) for name in rollout_view.blind)
    left = duration(max(policy.hold - longest, 0))
    then = "pause" if policy.then == "pause" else "roll back"
    return f"{text}, or {then} in {left}"


def _describe_end(state: RolloutState, now: float) -> str:
    following = state.following
    lived = now - following.begun_clock - following.missed if following else 0.0
    left = state.plan.spec.follows_within - lived
    return f"end when the traffic follows, in {duration(max(left, 0))} at the latest"


def _describe_end_of_retreat(state: RolloutState, now: float) -> str:
    """Describe what lets the canary climb again, and what its deadline does."""
    has_lost = state.retreat is not None and state.retreat.has_lost_endpoints
    answers = f"{state.versions[1]}'s endpoints answer or " if has_lost else ""
    late = state.plan.spec.when_inconclusive
    then = "roll back" if late == "rollback" else late
    return (
        f"climb again when {answers}surefoot resume {state.plan.name} says so, "
        f"or {then} in {duration(max(state.due_at - now, 0))}"
    )


def _describe_end_of_pause(state: RolloutState, now: float) -> str:
    left = state.plan.spec.patience - (now - (state.paused_at or now))
    return (
        f"surefoot resume, promote or abort {state.plan.name}, "
        f"without one it rolls back in {duration(max(left, 0))}"
    )


def _describe_end_of_observation(state: RolloutState, now: float) -> str:
    """Describe what ends an observation; with `abort-only` a rollback does it, too."""
    back = " roll back when it would," if state.authority == "abort-only" else ""
    left = duration(max(state.due_at - now, 0))
    return f"look on,{back} and end by surefoot abort {state.plan.name} or in {left}"


_ENDS_OF_PHASES: Mapping[Phase, Callable[[RolloutState, float], str]] = {
    "observing": _describe_end_of_observation,
    "paused": _describe_end_of_pause,
    "following": _describe_end,
    "retreated": _describe_end_of_retreat,
}


def _compute_wait(rollout_view: View) -> float:
    """Return the seconds until the current step may end at the earliest.

    Copies of a mirror and a holdback last a fixed time after they are confirmed. Any other step
    bakes from the moment at which its weight is steady, and not before the canary is warm.
    """
    state, now = rollout_view.state, rollout_view.clock
    holdback = state.plan.spec.holdback
    if holdback and state.phase == "holding back":
        return (state.delivery.confirmed_clock or now) + holdback.lasts - now
    mirror = mirror_of(state.plan)
    if mirror and state.wanted.way == "mirror":
        return (state.delivery.confirmed_clock or now) + mirror.lasts - now
    if not state.wanted.canary or state.steady_at is None:
        return 0.0
    baked_at = state.steady_at + state.plan.spec.ramp.bake
    warm_in = (state.warm_at or 0.0) - state.at_server(rollout_view.now)
    return max(baked_at - now, warm_in)
