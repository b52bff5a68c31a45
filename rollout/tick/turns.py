"""Who is known to hang waits for a turn, so that others wait for one of them at a time.

Several servers that hang, meshes or Prometheus servers, would else add up in one tick: each takes
some seconds to say nothing. Where nobody else is there to be held up, nobody waits for a turn.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection
from dataclasses import dataclass, field

EVERY = 15.0
"""Seconds between two turns: of these, others wait for the seconds that one server may take."""


@dataclass
class HangingTurns:
    """Gives one of those that hang a turn, the one whose last was longest ago."""

    timer: Callable[[], float]
    _given: dict[str, float] = field(default_factory=dict)  # by name, when
    _newest: float = -math.inf

    def choose(self, hung: Collection[str]) -> str | None:
        """Return whose turn it is now; None where the last one was a moment ago."""
        now = self.timer()
        if not hung or now < self._newest + EVERY:
            return None
        chosen = min(sorted(hung), key=lambda name: self._given.get(name, -math.inf))
        self._given = {name: at for name, at in self._given.items() if name in hung}
        self._given[chosen] = self._newest = now
        return chosen
