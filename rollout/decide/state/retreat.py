"""A retreat: the canary's weight is lowered without a verdict, and may be raised again."""

from __future__ import annotations

from dataclasses import dataclass

MOST = 3
"""Retreats of a rollout, for all reasons together; one more ends in a pause at 0 %."""


@dataclass(frozen=True)
class Retreat:
    """The retreats of a rollout. Times are unix seconds."""

    count: int
    at: float  # of the newest one
    has_lost_endpoints: bool = False  # the canary had no ready endpoint at some look since

    @property
    def is_one_too_many(self) -> bool:
        """Whether the rollout has used all of its retreats up."""
        return self.count > MOST
