"""Rules for what ends without proof: the plan says what that means, within what is safe."""

from __future__ import annotations

from rollout.decide.rules import progress
from rollout.decide.rules.choice import Choice, hold, pause, promote, roll_back
from rollout.decide.rules.safety import CLIMBING, refused
from rollout.decide.rules.view import View

_ASKED = (refused, progress.unconfirmed, *progress.ASKED, progress.baking)


def late(seen: View) -> Choice | None:
    """Past the deadline without proof: inconclusive, and the plan says what that means."""
    due = seen.state.due_at
    if seen.state.phase == "paused" or seen.now < due:
        return None
    return _inconclusive(seen, due, "inconclusive")


def used_up(seen: View) -> Choice | None:
    """All of stable that was kept from before the switch is compared: no more can be learned."""
    state, verdicts = seen.state, seen.judgement.verdicts
    over = {
        name: gauge.used_up_at
        for name, gauge in state.gauges.items()
        if gauge.used_up_at is not None
        and gauge.used_up_at > state.resumed_at
        and verdicts[name].kind != "safe"
    }
    if not over or state.phase != "stepping":
        return None
    return _inconclusive(seen, max(over.values()), *(f"used-up:{name}" for name in over))


def _inconclusive(seen: View, since: float, *reasons: str) -> Choice | None:
    policy, phase = seen.state.plan.spec.when_inconclusive, seen.state.phase
    if policy == "promote":
        return None if phase == "promoting" else _promoted(seen, since, *reasons)
    if policy == "pause" and phase in CLIMBING:
        return pause(seen, *reasons)
    return roll_back(seen, *reasons)


def _promoted(seen: View, since: float, *reasons: str) -> Choice:
    """A canary that does not get its share now, or of which that is unknown, is not promoted.

    It has the time of a blind look and a step to get it; then a person is asked.
    """
    against = next((choice for rule in _ASKED if (choice := rule(seen))), None)
    if against is None:
        return promote(seen, *reasons)
    if against.action != "hold":
        return against
    spec = seen.state.plan.spec
    waits = seen.now < since + spec.when_blind.hold + spec.ramp.bake
    return (hold if waits else pause)(seen, *reasons, "not-promoted", *against.reasons)
