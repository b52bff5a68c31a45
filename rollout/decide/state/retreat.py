"""A retreat: the canary's weight is lowered without a verdict, and may be raised again."""

from __future__ import annotations

from dataclasses import dataclass

from rollout.decide.record.facts import Decided
from rollout.decide.record.reasons import Reason, first_reason

MOST = 3
"""Retreats of a rollout for want of reports; one more ends in a pause at 0 %.

As many are made on suspicion of harm, and none after them: the weight is only not raised then.
"""


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


def is_suspicion(fact: Decided) -> bool:
    """Return whether a decision lowers the weight on a suspicion of harm: a step down.

    The canary reports, so that its traffic is judged as at every step.
    """
    return fact.action == "retreat" and first_reason(fact.reasons) is Reason.SUSPECTED
