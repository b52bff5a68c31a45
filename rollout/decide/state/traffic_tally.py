"""How requests were split between the versions, for the message of the traffic-share test."""

from __future__ import annotations

from dataclasses import dataclass

from rollout.plan.fields.units import percent


@dataclass(frozen=True)
class TrafficTally:
    """Requests since the test began, the canary's among them, and those expected by its weight."""

    requests: int = 0
    canary: int = 0
    due: float = 0.0

    def seen(self, canary: int, stable: int, share: float) -> TrafficTally:
        """Return the tally after one more look, whose `share` was routed to the canary."""
        both = canary + stable
        return TrafficTally(self.requests + both, self.canary + canary, self.due + both * share)

    def __str__(self) -> str:
        got, due = (_format_share(count, self.requests) for count in (self.canary, self.due))
        return f"the canary got {got} of {self.requests:,} requests, expected {due}"


def _format_share(count: float, total: int) -> str:
    """Format a share in hundredths of a per cent; a smaller one is not rounded to 0."""
    value = count / max(total, 1)
    return percent(round(value, 4) or value)
