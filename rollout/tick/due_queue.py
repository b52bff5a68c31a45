"""Who is due when: asking costs what is due, not what waits."""

from __future__ import annotations

from heapq import heappop, heappush


class DueQueue:
    """Rollouts by the unix time from which they are due; each stays due until it is put off."""

    def __init__(self) -> None:
        self._at: dict[str, float] = {}
        # May hold old times of a rollout too: only the time in `_at` counts.
        self._heap: list[tuple[float, str]] = []

    def put(self, rollout: str, at: float) -> None:
        """Due from `at` on, whatever was put before."""
        if self._at.get(rollout) != at:
            self._at[rollout] = at
            heappush(self._heap, (at, rollout))

    def drop(self, rollout: str) -> None:
        """Not due at any time."""
        self._at.pop(rollout, None)

    def __contains__(self, rollout: str) -> bool:
        return rollout in self._at

    def due(self, now: float) -> list[str]:
        """Every rollout that is due at `now`, in the order of their names."""
        found = set()
        while self._heap and self._heap[0][0] <= now:
            at, rollout = heappop(self._heap)
            if self._at.get(rollout) == at:
                found.add(rollout)
        for rollout in found:
            heappush(self._heap, (self._at[rollout], rollout))
        return sorted(found)
