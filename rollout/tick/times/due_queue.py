"""A queue of rollouts by due time; a query costs time for the due ones, not for the waiting."""

from __future__ import annotations

from heapq import heappop, heappush


class DueQueue:
    """Rollouts by the unix time from which they are due; each stays due until it is rescheduled."""

    def __init__(self) -> None:
        self._at: dict[str, float] = {}
        # May hold outdated times of a rollout as well: only the time in `_at` counts. Removing
        # them here would cost a search of the heap; `due` drops them when their time comes.
        self._heap: list[tuple[float, str]] = []

    def schedule(self, rollout: str, at: float) -> None:
        """Make the rollout due from `at` on (unix seconds); this replaces an earlier time."""
        if self._at.get(rollout) != at:
            self._at[rollout] = at
            heappush(self._heap, (at, rollout))

    def cancel(self, rollout: str) -> None:
        """Remove the rollout from the queue."""
        self._at.pop(rollout, None)

    def __contains__(self, rollout: str) -> bool:
        return rollout in self._at

    def due(self, now: float) -> list[str]:
        """Return every rollout that is due at `now`, sorted by name. They stay in the queue."""
        due = set()
        while self._heap and self._heap[0][0] <= now:
            at, rollout = heappop(self._heap)
            if self._at.get(rollout) == at:
                due.add(rollout)
        for rollout in due:
            heappush(self._heap, (self._at[rollout], rollout))
        return sorted(due)
