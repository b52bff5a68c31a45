"""When each rollout's next look is due, and which of many due ones a tick takes."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from rollout.decide.evidence.next_look import NextLook, next_look
from rollout.decide.state.rollout import RolloutState
from rollout.ports import Answer

_AT_ONCE = 250  # looks in one tick that could also come later; a query serves as many
_EARLY = 1e-3  # seconds, so that rounding of two equal times cannot delay a look by a tick


@dataclass
class LookTimes:
    """Times of looks by rollout: the journal's, and of those that left nothing in it.

    The latter are known here only, so a restart may ask Prometheus once more.
    """

    now: float = math.inf  # of the newest tick: a look of the future is of a clock that was wrong
    _looked_at: dict[str, float] = field(default_factory=dict)
    _put_off_to: dict[str, float] = field(default_factory=dict)
    # The last result with what it follows from; most facts of a look change neither.
    _next: dict[str, tuple[object, float, NextLook]] = field(default_factory=dict)

    def note(self, rollout: str, now: float) -> None:
        """Note that a look was taken, also where there was nothing to record."""
        self._looked_at[rollout] = now

    def due_at(self, rollout: str, state: RolloutState) -> float:
        """Return when the next attempt at a look is due."""
        look = self._find_next(rollout, state)
        put_off_to = min(self._put_off_to.get(rollout, 0.0), look.latest)
        return max(look.at, put_off_to) - _EARLY

    def put_off(self, rollout: str, state: RolloutState, answer: Answer, now: float) -> bool:
        """Put a look off whose sample cannot be read yet; False where it must not wait."""
        look = self._find_next(rollout, state)
        is_over = now >= look.latest - _EARLY
        if is_over or answer.problems or look.has_come(_iterate_times(answer)):
            return False
        self._put_off_to[rollout] = look.again_at(now)
        return True

    def spread(self, due: list[str], states: Mapping[str, RolloutState], now: float) -> list[str]:
        """Return the looks of this tick; many that could come later wait for the next ones.

        Rollouts whose series are scraped together are due together. Their looks stay spread, since
        the latest time of the next look follows from the last one.
        """
        if len(due) <= _AT_ONCE:
            return due
        latest = {r: self._find_next(r, states[r]).latest - _EARLY for r in due}
        in_order = sorted(due, key=lambda rollout: (latest[rollout], rollout))
        overdue = sum(at <= now for at in latest.values())
        return sorted(in_order[: max(overdue, _AT_ONCE)])

    def _find_next(self, rollout: str, state: RolloutState) -> NextLook:
        overdue = self.now - state.plan.spec.interval
        noted = (state.looked_at or 0.0, self._looked_at.get(rollout, 0.0))
        looked_at = max(at if at <= self.now else overdue for at in noted)
        guardrails, at, look = self._next.get(rollout, (None, None, None))
        if look is None or guardrails is not state.guardrails or at != looked_at:
            look = next_look(state, looked_at)
            self._next[rollout] = state.guardrails, looked_at, look
        return look


def _iterate_times(answer: Answer) -> Iterator[float]:
    for series in answer.series.values():
        for entry in series:
            yield from (at for at, _ in entry.samples)
    for tally in answer.tallies.values():
        yield from (at for at, _ in (*tally.canary_times, *tally.stable_times))
