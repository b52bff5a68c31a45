"""Text about time that passed on the wall clock and was not lived through."""

from __future__ import annotations

from rollout.decide.state.rollout import RolloutState
from rollout.plan.fields.units import duration


def describe_unlived_deadline(state: RolloutState, now: float, clock: float) -> str:
    """Say that the deadline has passed by the wall clock alone; empty where it has not.

    Nobody looked for the rest of that time, so the deadline acts only once it is lived through.
    """
    left = state.due_at - clock
    is_past = now - state.resumed_wall >= state.due_at - state.resumed_at
    if not (state.is_lived and is_past and left > 0) or state.is_following:
        return ""
    deadline = duration(state.plan.spec.deadline)
    return (
        f"the deadline of {deadline} has passed by the wall clock, of which {duration(left)} are "
        "not lived through yet"
    )
