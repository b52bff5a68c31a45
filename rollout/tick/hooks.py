"""Hook calls of a tick: a tick starts them and polls their replies, but never waits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from rollout.decide.record.facts import Fact, HookAnswered, HookCalled
from rollout.decide.state.hooks import body, key_of, next_call
from rollout.decide.state.rollout import RolloutState
from rollout.plan.model.hooks import Hook
from rollout.ports import HookCall, Hooks
from rollout.redact import redact_values

AT_ONCE = 128
"""The most calls in progress; a rollout has one at a time."""

OF_ONE = 16
"""The most of them to one server, so that one that hangs holds up no other's hooks."""


class _Underway(NamedTuple):
    rollout: str = ""
    hook: str = ""
    attempt: int = 0
    server: str = ""


@dataclass
class HookRunner:
    """The calls of this process.

    A call that another process had begun is made again with the same key, by which the receiver
    recognises it.
    """

    hooks: Hooks
    _under_way: dict[str, _Underway] = field(default_factory=dict)

    def answers(self, states: Mapping[str, RolloutState], now: float) -> list[Fact]:
        """Return the facts of the calls that have ended."""
        facts: list[Fact] = []
        for reply in self.hooks.replies():
            rollout, hook, attempt, _ = self._under_way.pop(reply.key, _Underway())
            call = states[rollout].calls.get(hook) if rollout else None
            # The state may have moved on meanwhile: a reply to an older attempt is dropped.
            if call is None or not call.calling or call.attempt != attempt:
                continue
            problem = redact_values(reply.problem)
            fact = HookAnswered(
                rollout=rollout, at=now, hook=hook, attempt=attempt, problem=problem
            )
            facts.append(fact)
        return facts

    def intent(self, rollout: str, state: RolloutState, now: float) -> Fact | None:
        """Return the fact to record before the next call; None if recorded, or nothing is due.

        A call is recorded before it is made, so that a crash cannot lose it.
        """
        due = next_call(state)
        if due is None or due[1].calling or not self._has_room(due[0]):
            return None
        hook, call = due
        return HookCalled(rollout=rollout, at=now, hook=hook.name, attempt=call.attempt + 1)

    def begin(self, rollout: str, state: RolloutState) -> None:
        """Begin a recorded call, unless it is in progress."""
        due = next_call(state)
        if due is None or not due[1].calling or not self._has_room(due[0]):
            return
        hook, call = due
        key = key_of(rollout, hook.name, call.attempt)
        if key not in self._under_way:
            self._under_way[key] = _Underway(rollout, hook.name, call.attempt, hook.server)
            payload = redact_values(body(state, rollout, hook, call.attempt))
            self.hooks.call(HookCall(key, hook.url, hook.timeout, payload))

    def _has_room(self, hook: Hook) -> bool:
        """Return whether one call more may be made to this hook's server."""
        own = sum(call.server == hook.server for call in self._under_way.values())
        return len(self._under_way) < AT_ONCE and own < OF_ONE
