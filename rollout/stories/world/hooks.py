"""Addresses that a plan calls: they answer, refuse, or let the caller wait."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from rollout.ports import HookCall, HookReply

if TYPE_CHECKING:
    from rollout.stories.world.world import StoryWorld


@dataclass
class SimulatedHooks:
    """The Hooks port of one process; replies of a dead process are lost with it."""

    world: StoryWorld
    _open: list[tuple[float, HookReply]] = field(default_factory=list)

    def call(self, call: HookCall) -> None:
        """See rollout.ports.Hooks."""
        world = self.world
        world.hook_calls.append((world.now, call))
        is_failing = world.now < world.hooks_fail_until
        is_hanging = world.now < world.hooks_hang_until
        problem = "HTTP 500" if is_failing else "nothing within 5 s" if is_hanging else ""
        seconds = call.timeout if is_hanging else 0.5
        self._open.append((world.now + seconds, HookReply(call.key, problem)))

    def replies(self) -> Sequence[HookReply]:
        """See rollout.ports.Hooks."""
        due = [reply for at, reply in self._open if at <= self.world.now]
        self._open = [(at, reply) for at, reply in self._open if at > self.world.now]
        return due
