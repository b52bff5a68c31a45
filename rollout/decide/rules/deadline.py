"""Rules for rollouts that run out of time or data without proof."""

from __future__ import annotations

from rollout.decide.record.reasons import Reason
from rollout.decide.rules import authority, first_write, progress
from rollout.decide.rules.choice import Choice, hold, pause, promote, roll_back
from rollout.decide.rules.ramp import at_last_step
from rollout.decide.rules.safety import CLIMBING, refused
from rollout.decide.rules.view import View

# What a promotion without proof must pass as well.
_PRECONDITIONS = (
    refused,
    progress.unconfirmed,
    progress.retreated,
    authority.unweighted,
    *first_write.OBSTACLES,
    *progress.ASKED,
    progress.baking,
    progress.near_harm,
    progress.unevenly_labelled,
)


def late(view: View) -> Choice | None:
    """End a rollout that has no proof at its deadline, as the plan's `whenInconclusive` says."""
    due = view.state.due_at
    if view.state.phase == "paused" or view.state.is_following or view.clock < due:
        return None
    return _end_inconclusive(view, due, Reason.INCONCLUSIVE)


def used_up(view: View) -> Choice | None:
    """End a rollout that has compared all of stable's looks from before the switch."""
    state, verdicts = view.state, view.judgement.verdicts
    over = {
        name: guardrail.baseline_exhausted_at
        for name, guardrail in state.guardrails.items()
        if guardrail.baseline_exhausted_at is not None
        and guardrail.baseline_exhausted_at > state.resumed_at
        and not verdicts[name].lets_promote
    }
    if not over or state.phase != "stepping":
        return None
    return _end_inconclusive(view, max(over.values()), *(Reason.USED_UP.of(name) for name in over))


def _end_inconclusive(view: View, since: float, *reasons: str) -> Choice | None:
    policy, phase = view.state.plan.spec.when_inconclusive, view.state.phase
    if policy == "promote":
        return None if phase == "promoting" else _promote_if_ready(view, since, *reasons)
    if policy == "pause" and phase in CLIMBING:
        return pause(view, *reasons)
    return roll_back(view, *reasons)


def _promote_if_ready(view: View, since: float, *reasons: str) -> Choice:
    """Promote without proof, unless a precondition of every step is not met.

    It goes to the top of the ramp first, step by step: nobody has seen how the canary serves more
    than it has. Journals without lived time are decided as they were.

    A canary that does not get its share of traffic, or of which that is unknown, is not promoted.
    It has the time of a blind hold plus a bake to get it; then the rollout is paused for a person.
    """
    against = next((choice for rule in _PRECONDITIONS if (choice := rule(view))), None)
    is_below_top = view.state.is_lived and not at_last_step(view.state)
    if against is None and is_below_top:
        against = progress.onward(view)
    if against is None:
        return promote(view, *reasons)
    if against.action != "hold":
        return against
    spec = view.state.plan.spec
    if view.state.is_lived:  # each step has its time
        since = max(since, view.state.moved_at)
    may_wait = view.clock < since + spec.when_blind.hold + spec.ramp.bake
    return (hold if may_wait else pause)(view, *reasons, Reason.NOT_PROMOTED, *against.reasons)
