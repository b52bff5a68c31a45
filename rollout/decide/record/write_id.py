"""Write ids: which decision of which rollout wrote a route. `reviews-v2-73d3a743/12`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Self

from rollout.plan.model.plan import Plan

_TEXT = re.compile(r"([^\s/]+)/([0-9]{1,18})")


@dataclass(frozen=True)
class WriteId:
    """A rollout, and the number of the journal's entry that decided its write."""

    rollout: str
    decision: int

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """Parse what a route is marked with; None where that is no id of ours.

        A version that people give a route file by hand is none.
        """
        match = _TEXT.fullmatch(text)
        return cls(match[1], int(match[2])) if match else None

    def __str__(self) -> str:
        return f"{self.rollout}/{self.decision}"

    def is_of(self, plan: Plan) -> bool:
        """Return whether it is of a plan's rollout, or of a later attempt of it."""
        number = self.rollout.rpartition("-")[2]
        # A longer number would leave nothing of the digest by which the plan is known.
        attempt = int(number) if number.isdecimal() and len(number) <= _LONGEST_ATTEMPT else 1
        return self.rollout in {plan.id, attempt_id(plan.id, attempt)}


_LONGEST_ATTEMPT = 3  # digits


def attempt_id(first: str, attempt: int) -> str:
    """Return an attempt's rollout id: `demo-1a2b3c4d` becomes `demo-1a2b3c-2`.

    The id keeps its length, so that it remains a valid Kubernetes label value.
    """
    tail = f"-{attempt}"
    return first if attempt == 1 else first[: -len(tail)] + tail


def find_rollout(mark: str) -> str:
    """Return the rollout that a mark names; empty where it names none."""
    write_id = WriteId.parse(mark)
    return write_id.rollout if write_id else ""
