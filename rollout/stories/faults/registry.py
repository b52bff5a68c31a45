"""Where events are registered: what each does, its values, and the faults that it stands for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from rollout.stories.setting import Setting
from rollout.stories.world.world import StoryWorld

Happen = Callable[[StoryWorld, float], None]


@dataclass(frozen=True)
class Fault:
    """An event. `values` are those that it is drawn with; `stands_for` names the faults' kinds.

    `delays`: it may delay a rollback, so nothing is said about how fast one is from then on.
    `needs` is a setting, and its value, without which it does nothing and is not drawn.
    """

    name: str
    happen: Happen
    stands_for: str
    values: tuple[float, ...] = (0.0,)
    weight: float = 1.0
    delays: bool = True
    needs: tuple[str, str] | None = None

    def fits(self, setting: Setting) -> bool:
        """Return whether the event does something in a story of this setting."""
        return self.needs is None or getattr(setting, self.needs[0]) == self.needs[1]


FAULTS: dict[str, Fault] = {}
LASTS = (4.0, 15.0, 45.0)
"""Seconds that most faults last: less than a look, some looks, longer than a blind hold."""
SILENCES = (4.0, 15.0, 80.0)
"""Seconds that series are silent: the last is longer than they are fresh and a blind hold."""


def event(
    name: str,
    stands_for: str,
    values: tuple[float, ...] = (0.0,),
    *,
    weight: float = 1.0,
    delays: bool = True,
    needs: tuple[str, str] | None = None,
) -> Callable[[Happen], Happen]:
    """Register a function as an event."""

    def register(happen: Happen) -> Happen:
        FAULTS[name] = Fault(name, happen, stands_for, values, weight, delays, needs)
        return happen

    return register
