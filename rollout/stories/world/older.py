"""A controller of an older version, from before lived time: an upgrade replaces it."""

from __future__ import annotations

from rollout.decide.state.rollout import RolloutState
from rollout.tick.controller import Controller
from rollout.tick.times.lived_time import LivedTime


class _Unmeasured(LivedTime):
    def read(  # type: ignore[override]
        self, rollout: str, state: RolloutState, wall: float, skew: float | None = None
    ) -> None:
        """Return nothing: the version records no lived time, and goes by the wall clock."""
        del rollout, state, wall, skew


class OlderController(Controller):
    """Today's controller with the clock that it had before."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self._lived = _Unmeasured(self.ports.clock.monotonic, self.has_gaps)
