"""States of a rollout that has just begun."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from rollout.decide.state.rollout import RolloutState, begin_rollout
from rollout.tick.attempts import started
from tests.support.worlds import plan

T0 = 1_800_000_000.0


def begun(**spec) -> RolloutState:
    return begin_rollout(started(plan(**spec), at=T0, controller="test"))


def delivering(state: RolloutState, **changes: Any) -> RolloutState:
    """The state with another delivery."""
    return replace(state, delivery=replace(state.delivery, **changes))
