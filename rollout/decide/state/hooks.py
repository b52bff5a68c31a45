"""Hook calls: which one is due, its payload, and which ones block the first step."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

from analysis.fast_replace import replace
from rollout.decide.record.reasons import Reason, split_reason
from rollout.decide.state.rollout import TERMINAL, HookAttempt, RolloutState
from rollout.plan.model.hooks import Hook, Moment

Ended = Literal["calling", "answered", "failed"]

_MOMENTS: dict[str, Moment] = {
    "promoted": "promoted",
    "rolled back": "rolledBack",
    "undone": "undone",
}


def next_call(state: RolloutState) -> tuple[Hook, HookAttempt] | None:
    """Return the first unfinished hook of this moment; hooks run one at a time, in plan order."""
    moment = moment_of(state)
    is_unseen = state.is_unreached or (
        state.following is not None and state.following.outcome == "not seen"
    )
    calls = (
        (hook, call_of(state, hook))
        for hook in _list_hooks(state)
        if hook.when == moment and (not is_unseen or hook.when_not_seen == "call")
    )
    return next(((hook, call) for hook, call in calls if not over(hook, call)), None)


def moment_of(state: RolloutState) -> Moment | None:
    """Return the moment whose hooks are due now, or None.

    Hooks of an end are due once the traffic follows it: before that requests may still reach the
    other version. Hooks before the first step are due when
    nothing else blocks it; the last decision says so. Reading it from a decision means that it is
    recorded, and that no hook is called while a guardrail is blind or the rollout is paused.
    """
    if state.phase == "waiting" and state.last is not None:
        waits = Reason.AWAITING_HOOK in {split_reason(reason)[0] for reason in state.last.reasons}
        return "before" if waits else None
    following = state.following
    if following is not None and following.blocks_next:
        is_alarm = state.phase in TERMINAL or following.end == "retreated"
        return "notFollowed" if is_alarm else None
    return _MOMENTS.get(state.phase) if state.asked is None else None


def over(hook: Hook, call: HookAttempt) -> bool:
    """Return whether the hook has answered, or has used all its attempts."""
    return not call.calling and (call.ok or call.attempt - call.spent >= hook.attempts)


def call_of(state: RolloutState, hook: Hook) -> HookAttempt:
    """Return the state of the hook's calls; a fresh one before the first."""
    return state.calls.get(hook.name, HookAttempt())


def awaited(state: RolloutState) -> list[str]:
    """Return the names of the hooks that the first step still waits for."""
    before = [hook for hook in _list_hooks(state) if hook.when == "before"]
    return [hook.name for hook in before if not over(hook, call_of(state, hook))]


def failed(state: RolloutState) -> dict[str, str]:
    """Return failed hooks that stop the first step, and why; a later resume waives them."""
    gates = {hook.name for hook in _list_hooks(state) if hook.gates}
    return {name: state.calls[name].problem for name in unanswered(state) if name in gates}


def call_anew(state: RolloutState, moment: Moment) -> dict[str, HookAttempt]:
    """Return the calls of all hooks, where those of a moment that has come again begin anew."""
    again = {hook.name for hook in _list_hooks(state) if hook.when == moment}
    return {
        name: replace(call, ok=False, spent=call.attempt) if name in again else call
        for name, call in state.calls.items()
    }


def key_of(rollout: str, hook: str, attempt: int) -> str:
    """Return the key by which a receiver recognises a repeated call."""
    return f"{rollout}/{hook}/{attempt}"


def body(state: RolloutState, rollout: str, hook: Hook, attempt: int) -> dict[str, Any]:
    """Return a hook's payload: names, versions, the decision's sentence; no data of any request."""
    stable, canary = state.versions
    # A hold may stand between the decision of an end and that end.
    decided = state.move if state.phase in TERMINAL else state.last
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
        "action": decided.action if decided else "",
        "sentence": decided.sentence if decided else "",
        **({"traffic": state.following.outcome} if state.following else {}),
    }


def describe_hooks(state: RolloutState) -> Iterator[tuple[str, Ended, str]]:
    """Yield name, state and problem of every hook that was called."""
    for hook in _list_hooks(state):
        call = call_of(state, hook)
        if call.attempt:
            ended: Ended = "answered" if call.ok else "failed" if over(hook, call) else "calling"
            yield hook.name, ended, call.problem


def unanswered(state: RolloutState) -> list[str]:
    """Return hooks that used all attempts without success, except those from before a resume."""
    calls = ((hook, call_of(state, hook)) for hook in _list_hooks(state))
    return [
        hook.name
        for hook, call in calls
        if over(hook, call) and not call.ok and call.at >= state.resumed_at
    ]


def _list_hooks(state: RolloutState) -> list[Hook]:
    return state.plan.spec.hooks or []
