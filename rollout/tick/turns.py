"""Who is known to hang waits for a turn, so that others wait for one of them at a time.

Several servers that hang, meshes or Prometheus servers, would else add up in one tick: each takes
some seconds to say nothing. Where nobody else is there to be held up, nobody waits for a turn.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection
from dataclasses import dataclass, field

EVERY = 15.0
"""Seconds between the end of a turn and the next one: in these nobody waits for who hangs."""


@dataclass
class HangingTurns:
    """Gives one of those that hang a turn, the one whose last was longest ago."""

    timer: Callable[[], float]
    _given: dict[str, float] = field(default_factory=dict)  # by name, when
    _newest: float = -math.inf  # when the last turn was over
    _is_on: bool = False  # the last turn may still go on

    def choose(self, hung: Collection[str]) -> str | None:
        """Return whose turn it is now; None where the last one was a moment ago.

        Whoever asks again has seen the turn before end.
        """
        now = self.timer()
        if self._is_on:
            self._newest, self._is_on = now, False
        if not hung or now < self._newest + EVERY:
            return None
        chosen = min(sorted(hung), key=lambda name: self._given.get(name, -math.inf))
        self._given = {name: at for name, at in self._given.items() if name in hung}
        self._given[chosen], self._is_on = now, True
        return chosen
