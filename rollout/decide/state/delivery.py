"""The delivery of a decision to the mesh: what is left to do for it, and every legal change.

How it works: a decision wants a split, and a delivery brings it to the mesh until the mesh confirms
it. `status` says what is left to do. Each event is a method here, and takes the next status from
DELIVERY_MOVES:

- `settled`: the mesh confirmed the wanted split; nothing is left to do.
- `to write`: the wanted split is written, then read back.
- `to read again`: it was confirmed, then the mesh could not be read; it is read, never written.
- `to try again`: the mesh refused a new split. A retry hardly helps, but the mesh may be mended
  before a pause gives the split up, and a rollback is never given up.
- `refused`: the mesh refused what it had confirmed; nothing is left to deliver.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from analysis.fast_replace import replace
from rollout.decide.record.route_facts import RouteFailed
from rollout.decide.record.split import Split

Status = Literal["settled", "to write", "to read again", "to try again", "refused"]
# `unread`: a failure that says nothing about the mesh. `given up`: the pause after a refusal.
# `withdrawn`: a first write that was not sent, since the route was not at stable any more.
# `reverted`: a drift that is written over, since the plan says `onDrift: revert`.
DeliveryEvent = Literal[
    "decided",
    "confirmed",
    "failed",
    "unread",
    "refused",
    "given up",
    "withdrawn",
    "drifted",
    "reverted",
]

# Every legal change of status; any other pair keeps the status. The docs draw this table.
DELIVERY_MOVES: dict[tuple[Status, DeliveryEvent], Status] = {
    ("settled", "decided"): "to write",
    ("settled", "failed"): "to write",
    ("settled", "unread"): "to read again",
    ("settled", "refused"): "refused",
    ("settled", "reverted"): "to write",
    ("to write", "confirmed"): "settled",
    ("to write", "refused"): "to try again",
    ("to write", "drifted"): "settled",
    ("to write", "withdrawn"): "settled",
    ("to read again", "decided"): "to write",
    ("to read again", "confirmed"): "settled",
    ("to read again", "withdrawn"): "settled",
    ("to read again", "failed"): "to write",
    ("to read again", "refused"): "refused",
    ("to read again", "drifted"): "settled",
    ("to read again", "reverted"): "to write",
    ("to try again", "decided"): "to write",
    ("to try again", "confirmed"): "settled",
    ("to try again", "failed"): "to write",
    ("to try again", "unread"): "to write",
    ("to try again", "given up"): "settled",
    ("to try again", "withdrawn"): "settled",
    ("refused", "decided"): "to write",
    ("refused", "failed"): "to write",
    ("refused", "unread"): "to read again",
    ("refused", "given up"): "settled",
    # A refusal stands until a decision has answered it, also where the mesh can be read again.
    ("to try again", "drifted"): "refused",
    ("refused", "reverted"): "to try again",
}


@dataclass(frozen=True)
class Delivery:
    """What the mesh must show (`wanted`), what it confirmed last, and what is left to do.

    Times are unix seconds; None means that it has not happened.
    """

    wanted: Split
    confirmed: Split
    status: Status = "settled"
    decision: int = 0  # sequence number of the newest decision about the mesh
    is_unseen: bool = False  # no read since an outage: somebody may have edited the mesh
    attempts: int = 0  # failed attempts in a row
    retry_at: float = 0.0
    problem: str = ""
    confirmed_at: float | None = None
    confirmed_clock: float | None = None  # the same moment by the rollout's clock
    previous: Split | None = None  # what the mesh showed before our last write
    replaced: Split | None = None  # what was wanted before the newest decision
    is_unclear: bool = False  # a write may have been carried out although it failed
    decisions: Mapping[int, Split] = field(default_factory=dict)  # what each has wanted
    written: int = 0  # the newest one that was written

    @property
    def is_open(self) -> bool:
        """Whether the mesh still has to confirm the decision."""
        return self.has_to_write or self.status == "to read again"

    @property
    def has_to_write(self) -> bool:
        """Whether the wanted split may be missing in the mesh; if not, a read is enough."""
        return self.status in {"to write", "to try again"}

    @property
    def is_refused(self) -> bool:
        """Whether the mesh refused the last attempt, so that a retry alone hardly helps."""
        return self.status in {"to try again", "refused"}

    @property
    def is_adopted(self) -> bool:
        """Whether somebody's edit is wanted, so that no write of ours may bring it about."""
        return self.decisions.get(self.decision, self.wanted) != self.wanted

    def has_left(self, decision: int, split: Split) -> bool:
        """Return whether a mark of this number and a split on the route may come of our writes.

        Somebody may have edited what was written last. An older decision's mark stands by what that
        wanted: else another journal has the same number.
        """
        is_newest = decision in {self.written, self.decision}
        return decision in self.decisions and (is_newest or self.decisions[decision] == split)

    def awaits(self, decision: int) -> bool:
        """Return whether this decision is the one that the mesh still has to confirm."""
        return self.is_open and decision == self.decision

    def want(self, split: Split, decision: int, at: float) -> Delivery:
        """Return the delivery of a newly decided split."""
        return replace(
            self,
            status=self._after("decided"),
            wanted=split,
            replaced=self.wanted if split != self.wanted else self.replaced,
            decision=decision,
            attempts=0,
            retry_at=at,
            is_unclear=False,
            decisions={**self.decisions, decision: split},
        )

    def rewrite(self, decision: int, at: float) -> Delivery:
        """Return the delivery that writes the wanted split again, over whatever is there."""
        again = self.want(self.wanted, decision, at)
        return replace(again, is_unseen=False, problem="")

    def confirm(self, at: float, clock: float | None = None) -> Delivery:
        """Return the delivery whose wanted split the mesh showed; `clock` is the rollout's."""
        return replace(
            self,
            status=self._after("confirmed"),
            confirmed=self.wanted,
            previous=self.confirmed if self.has_to_write else self.previous,
            written=self.decision if self.has_to_write else self.written,
            is_unseen=False,
            attempts=0,
            problem="",
            confirmed_at=at,
            confirmed_clock=at if clock is None else clock,
        )

    def fail(self, fact: RouteFailed, retry_at: float) -> Delivery:
        """Return the delivery after one more failed attempt."""
        return replace(
            self._fold_failure(fact),
            attempts=fact.attempt,
            retry_at=retry_at,
            problem=fact.problem,
        )

    def is_changed_by(self, fact: RouteFailed) -> bool:
        """Return whether a failure changes what is left to do, or what is known of the mesh."""
        return self._fold_failure(fact) != self

    def _fold_failure(self, fact: RouteFailed) -> Delivery:
        return replace(
            self,
            status=self._after(_classify_failure(fact)),
            is_unseen=fact.unread,
            is_unclear=self.is_unclear or not (fact.refused or fact.unsent),
        )

    def give_up(self) -> Delivery:
        """Return the delivery after a refusal: only what the mesh confirmed is wanted.

        The problem stays: a resume must know that the mesh refused.
        """
        return replace(self, status=self._after("given up"), wanted=self.confirmed, attempts=0)

    def withdraw(self) -> Delivery:
        """Return the delivery whose decision was not written: only what was confirmed is wanted."""
        wanted = self.confirmed
        return replace(self, status=self._after("withdrawn"), wanted=wanted, attempts=0, problem="")

    def drift(self, split: Split, at: float, clock: float | None = None) -> Delivery:
        """Return the delivery after an edit by somebody else: its split is wanted from now on."""
        return replace(
            self._end_attempts(),
            status=self._after("drifted"),
            wanted=split,
            confirmed=split,
            confirmed_at=at,
            confirmed_clock=at if clock is None else clock,
        )

    def revert(self, at: float) -> Delivery:
        """Return the delivery that writes the wanted split over an edit by somebody else."""
        return replace(self._end_attempts(), status=self._after("reverted"), retry_at=at)

    def _end_attempts(self) -> Delivery:
        """Return the delivery once the mesh was read: attempts to reach it are over."""
        if not self.is_open:
            return replace(self, is_unseen=False)
        return replace(self, is_unseen=False, attempts=0, problem="")

    def _after(self, event: DeliveryEvent) -> Status:
        return DELIVERY_MOVES.get((self.status, event), self.status)


def _classify_failure(fact: RouteFailed) -> DeliveryEvent:
    if fact.refused:
        return "refused"
    return "unread" if fact.unread else "failed"
