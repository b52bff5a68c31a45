"""States of a rollout that has just begun."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from rollout.decide.record.facts import Started
from rollout.decide.rules.ramp import total_of
from rollout.decide.state.rollout import RolloutState, begin_rollout
from tests.support.worlds import plan

T0 = 1_800_000_000.0


def begun(**spec) -> RolloutState:
    the_plan = plan(**spec)
    return begin_rollout(
        Started(
            rollout=the_plan.id,
            at=T0,
            plan=the_plan.document(),
            digest=the_plan.digest,
            total=total_of(the_plan),
            controller="test",
        )
    )


def delivering(state: RolloutState, **changes: Any) -> RolloutState:
    """The state with another delivery."""
    return replace(state, delivery=replace(state.delivery, **changes))
