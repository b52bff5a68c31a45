"""How requests were parted among the arms: what the test of the traffic's share rests on."""

from __future__ import annotations

from dataclasses import dataclass

from rollout.plan.fields.units import percent


@dataclass(frozen=True)
class TrafficTally:
    """Requests since the test began, the canary's among them, and those due to it by its weight."""

    requests: int = 0
    canary: int = 0
    due: float = 0.0

    def seen(self, canary: int, stable: int, share: float) -> TrafficTally:
        """With one more look's requests, of which `share` was routed to the canary."""
        both = canary + stable
        return TrafficTally(self.requests + both, self.canary + canary, self.due + both * share)

    def __str__(self) -> str:
        got, due = (_share(part, self.requests) for part in (self.canary, self.due))
        return f"the canary got {got} of {self.requests:,} requests where {due} were routed to it"


def _share(part: float, of: int) -> str:
    """In hundredths of a per cent, or as small as it is."""
    value = part / max(of, 1)
    return percent(round(value, 4) or value)
