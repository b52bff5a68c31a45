"""How a rollout's last write is followed: what the counted requests must show before it ends.

The object that the mesh reads is not the mesh: a proxy that is cut off goes on as before. So a
rollout that gave the canary weight ends only once the counts show that traffic follows the last
write, or after the plan's `followWithin`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from analysis.counting.cursor import Arm
from rollout.decide.record.facts import HumanSaid
from rollout.decide.record.route_facts import FollowOutcome

# `retreated` is no end: the rollout goes on at a lower weight.
End = Literal["promoted", "rolled back", "undone", "retreated"]


@dataclass(frozen=True)
class Following:
    """One last write and what was counted since, in a block of looks. Times are unix seconds.

    `old_share` and `allowed` are shares (0 to 1) of the counts of both versions that the losing
    version had before the write, or may have after it; `old_share` is None where nobody knows it.
    A block with enough requests is judged, and the next one begins: what a slow mesh sent to the
    losing version at first says nothing about later.
    """

    end: End
    decision: int
    old_share: float | None
    allowed: float
    begun_at: float  # when the object first showed the write
    counted_from: float  # looks from here on count: requests from before the write are over
    reached: float = 0.0  # the losing version's newest sample at the newest whole look
    silent_from: float = 0.0  # series without a sample after it have told that look nothing
    requests: int = 0
    losing: int = 0
    missed: float = 0.0  # seconds since the write in which nobody looked: an outage of ours
    is_judged: bool = False  # the block has enough requests: the next look begins another
    contradictions: int = 0  # full blocks that contradicted the write
    contradicting: tuple[int, int] | None = None  # counts of the newest such block
    outcome: FollowOutcome | None = None
    sentence: str = ""  # of the outcome: the counts of later blocks say nothing about it
    ended_at: float | None = None  # by the rollout's clock, as `begun_clock`
    begun_clock: float = 0.0
    vouched: HumanSaid | None = None  # the person who says that traffic follows

    @property
    def loser(self) -> Arm:
        """The version that must not get requests any more."""
        return "stable" if self.end == "promoted" else "canary"

    @property
    def due(self) -> float:
        """How many of the counted requests the old split gives the losing version."""
        return self.requests * (self.old_share or 0.0)

    @property
    def is_way_back(self) -> bool:
        """Whether all traffic returns to stable."""
        return self.end != "promoted"

    @property
    def blocks_next(self) -> bool:
        """Whether the service's next rollout has to wait: traffic does not follow this write."""
        return self.outcome == "not followed" and self.vouched is None
