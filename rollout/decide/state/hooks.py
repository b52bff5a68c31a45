"""Calls of hooks: which is due, what it says, and which still stands before the first step."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

from rollout.decide.state.rollout import HookAttempt, RolloutState
from rollout.plan.model.hooks import Hook, Moment

Ended = Literal["calling", "answered", "failed"]

_MOMENTS: dict[str, Moment] = {
    "promoted": "promoted",
    "rolled back": "rolledBack",
    "undone": "undone",
}


def next_call(state: RolloutState) -> tuple[Hook, HookAttempt] | None:
    """The first hook of this moment that is not over with: one at a time, in the plan's order."""
    moment = moment_of(state)
    calls = ((hook, call_of(state, hook)) for hook in _hooks(state) if hook.when == moment)
    return next(((hook, call) for hook, call in calls if not over(hook, call)), None)


def moment_of(state: RolloutState) -> Moment | None:
    """After an end only once the mesh has confirmed it; before the first step when all else is met.

    That is a decision, so that it is recorded, and nothing is called while blind or paused.
    """
    if state.phase == "waiting" and state.last is not None:
        waits = any(reason.startswith("awaiting-hook:") for reason in state.last.reasons)
        return "before" if waits else None
    return _MOMENTS.get(state.phase) if state.asked is None else None


def over(hook: Hook, call: HookAttempt) -> bool:
    """Whether it has answered, or was called as often as it may be."""
    return not call.calling and (call.ok or call.attempt >= hook.attempts)


def call_of(state: RolloutState, hook: Hook) -> HookAttempt:
    """Where its calls stand."""
    return state.calls.get(hook.name, HookAttempt())


def awaited(state: RolloutState) -> list[str]:
    """Names of the hooks that the first step still waits for."""
    before = [hook for hook in _hooks(state) if hook.when == "before"]
    return [hook.name for hook in before if not over(hook, call_of(state, hook))]


def failed(state: RolloutState) -> dict[str, str]:
    """Hooks whose failure stops the first step, and why; none that a person resumed after."""
    gates = {hook.name for hook in _hooks(state) if hook.gates}
    return {name: state.calls[name].problem for name in unanswered(state) if name in gates}


def key_of(rollout: str, hook: str, attempt: int) -> str:
    """What a receiver knows a repeated call by."""
    return f"{rollout}/{hook}/{attempt}"


def body(state: RolloutState, rollout: str, hook: Hook, attempt: int) -> dict[str, Any]:
    """What a hook is told: names, versions and the decision's sentence; nothing of any request."""
    stable, canary = state.versions
    return {
        "rollout": rollout,
        "plan": state.plan.name,
        "namespace": state.plan.metadata.namespace,
        "service": state.plan.spec.service,
        "stable": stable,
        "canary": canary,
        "hook": hook.name,
        "when": hook.when,
        "attempt": attempt,
        "action": state.last.action if state.last else "",
        "sentence": state.last.sentence if state.last else "",
    }


def told(state: RolloutState) -> Iterator[tuple[str, Ended, str]]:
    """Name, state and problem of every hook that was called."""
    for hook in _hooks(state):
        call = call_of(state, hook)
        if call.attempt:
            ended: Ended = "answered" if call.ok else "failed" if over(hook, call) else "calling"
            yield hook.name, ended, call.problem


def unanswered(state: RolloutState) -> list[str]:
    """Hooks that are over with and never answered; none that a person resumed after."""
    calls = ((hook, call_of(state, hook)) for hook in _hooks(state))
    return [
        hook.name
        for hook, call in calls
        if over(hook, call) and not call.ok and call.at >= state.resumed_at
    ]


def _hooks(state: RolloutState) -> list[Hook]:
    return state.plan.spec.hooks or []
