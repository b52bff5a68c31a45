"""Write ids: which decision of which rollout wrote a route. `reviews-v2-73d3a743/12`.

In a mesh they name the journal too, by its chain: `reviews-v2-73d3a743/12@3f9c01ab77de`. Two
journals of one plan have the same rollout and count its decisions alike. Within a journal's own
rollouts ids have no chain, and so have those that versions before this wrote.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:  # a reader of the log names entries without building plans
    from rollout.plan.model.plan import Plan

CHAIN_DIGITS = 12
"""Hexadecimal digits of a chain's name: two of a million share one with a chance of 0.2 %."""

_TEXT = re.compile(rf"([^\s/]+)/([0-9]{{1,18}})(?:@([0-9a-f]{{{CHAIN_DIGITS}}}))?")


@dataclass(frozen=True)
class WriteId:
    """A rollout, and the number of the journal's entry that decided its write.

    `chain` names the journal; empty where that is the reader's own, or not known.
    """

    rollout: str
    decision: int
    chain: str = ""

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """Parse what a route is marked with; None where that is no id of ours.

        A version that people give a route file by hand is none.
        """
        match = _TEXT.fullmatch(text)
        return cls(match[1], int(match[2]), match[3] or "") if match else None

    def __str__(self) -> str:
        chain = f"@{self.chain}" if self.chain else ""
        return f"{self.rollout}/{self.decision}{chain}"

    def is_of(self, plan: Plan) -> bool:
        """Return whether it is of a plan's rollout, or of a later attempt of it."""
        number = self.rollout.rpartition("-")[2]
        # A longer number would leave nothing of the digest by which the plan is known.
        attempt = int(number) if number.isdecimal() and len(number) <= _LONGEST_ATTEMPT else 1
        return self.rollout in {plan.id, attempt_id(plan.id, attempt)}


_LONGEST_ATTEMPT = 3  # digits


def name_chain(first_hash: str) -> str:
    """Return the name of the chain whose first entry has this hash."""
    return first_hash[:CHAIN_DIGITS]


def add_chain(mark: str, chain: str) -> str:
    """Return an id of this journal as a mesh has it, where others have to tell it from theirs."""
    return f"{mark}@{chain}" if chain and WriteId.parse(mark) else mark


def drop_chain(mark: str, chain: str) -> str:
    """Return what a mesh has as this journal knows it: a chain is left where it is another's."""
    named = WriteId.parse(mark)
    return mark.rpartition("@")[0] if named and chain and named.chain == chain else mark


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
