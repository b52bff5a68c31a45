"""The facts about the mesh: what it shows, what it refused, and whether traffic follows."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from rollout.decide.record.base import RecordedSplit, RolloutFact

FollowOutcome = Literal["seen", "not followed", "not seen"]


class Confirmed(RolloutFact):
    """The mesh's object showed the decided split when it was read: our own write is no proof.

    The object is not the traffic: where `follows` is set, the rollout ends with `Followed`.
    """

    kind: Literal["confirmed"] = "confirmed"
    decision: int = Field(description="Sequence number of the decision.")
    split: RecordedSplit
    stable: str | None = Field(
        default=None, description="The version that is stable from now on, where this is an end."
    )
    unreachable: bool = Field(
        default=False,
        description="A person ended it where the mesh cannot be reached: nobody knows what it "
        "shows.",
        exclude_if=lambda value: not value,
    )
    follows: bool = Field(
        default=False,
        description="The rollout does not end here: it waits until the traffic follows.",
        exclude_if=lambda value: not value,
    )
    left: str = Field(
        default="",
        description="What of the policy could not be put back with the weights, in words.",
        exclude_if=lambda value: not value,
    )
    version: str = Field(
        default="",
        description="The version of the mesh's object that showed it, as uid@resourceVersion.",
        exclude_if=lambda value: not value,
    )
    remark: str = Field(
        default="",
        description="What a way back leaves beside the traffic: a file that was kept, or our note.",
        exclude_if=lambda value: not value,
    )


class Followed(RolloutFact):
    """Whether the counted requests follow a rollout's last write; its end, or a change after it."""

    kind: Literal["followed"] = "followed"
    decision: int = Field(description="Sequence number of the decision that was written.")
    outcome: FollowOutcome
    sentence: str
    numbers: dict[str, Any] = Field({})
    stable: str | None = Field(
        default=None, description="The version that is stable from now on, where this is an end."
    )


class RouteFailed(RolloutFact):
    """The mesh did not take a split, or could not be read; it is tried again with back-off."""

    kind: Literal["route-failed"] = "route-failed"
    decision: int
    problem: str
    attempt: int
    refused: bool = Field(default=False, description="Trying again alone does not cure it.")
    unread: bool = Field(default=False, description="Nobody could ask the mesh what it shows.")
    unsent: bool = Field(default=False, description="No write was sent in this attempt.")


class Drifted(RolloutFact):
    """Somebody else moved the weights, or changed the policy that the plan asks for."""

    kind: Literal["drifted"] = "drifted"
    seen: RecordedSplit
    policy: str = Field(default="", description="Where the mesh's policy is another, in words.")
    writer: str = Field(
        default="",
        description="Write id of another controller, whose write this is.",
        exclude_if=lambda value: not value,
    )
    unmarked: bool = Field(
        default=False,
        description="All traffic is at stable and our mark is gone: an end that this journal "
        "lacks, or an object made anew.",
        exclude_if=lambda value: not value,
    )
    anew: bool = Field(
        default=False,
        description="The share of traffic is tested anew: what was counted may be of either split.",
    )


class RouteRead(RolloutFact):
    """What the mesh shows of the route; recorded where it is not what was recorded last.

    Before the first write it has the live split. Afterwards `Confirmed` and `Drifted` tell that,
    and this fact has only what the mesh reports of the route.
    """

    kind: Literal["route-read"] = "route-read"
    split: RecordedSplit | None = Field(
        default=None,
        description="The live split before the first write, and the largest where a "
        "problem says that routes differ; none if unreadable.",
    )
    problem: str = Field(default="", description="Why the route cannot be read, in words.")
    absent: bool = Field(default=False, description="The route does not exist.")
    writer: str = Field(default="", description="Write id of another rollout on the route.")
    has_endpoints: bool | None = Field(
        default=None, description="Whether the canary has ready endpoints, where that is known."
    )
    conditions: tuple[str, ...] = Field(
        default=(), description="What the mesh reports against the route, in words."
    )
    owner: str = Field(default="", description="The controller that writes the object back.")
    timeout: float | None = Field(
        default=None,
        description="The longest time-out of the plan's routes, in seconds.",
        exclude_if=lambda value: value is None,
    )
    taken: bool | None = Field(
        default=None,
        description="Whether the mesh says that it has taken the object as it is now, where it "
        "says so.",
        exclude_if=lambda value: value is None,
    )
    pinned: tuple[str, ...] = Field(
        default=(),
        description="Other routes that led to the canary before our first write: they stay.",
        exclude_if=lambda value: not value,
    )
    strays: tuple[str, ...] = Field(
        default=(),
        description="Other routes that lead to the canary since then: a rollback moves them.",
        exclude_if=lambda value: not value,
    )
    leading: tuple[str, ...] = Field(
        default=(),
        description="What is not ours, by content: routes that led to the canary before our first "
        "write or took the segment's requests, and where the canary had no entry.",
        exclude_if=lambda value: not value,
    )
    lacking: tuple[str, ...] = Field(
        default=(),
        description="By content, routes of the plan that were made since our first write, and have "
        "no entry for the canary yet.",
        exclude_if=lambda value: not value,
    )
    withdrawn: int = Field(
        default=0, description="The decision that was not written, since the route had moved."
    )

    @property
    def content(self) -> tuple[object, ...]:
        """Everything that the mesh showed, to compare with what was recorded before."""
        return self.split, self.problem, self.absent, self.leading, *self.reports

    @property
    def reports(self) -> tuple[object, ...]:
        """What the mesh reports of the route besides its weights."""
        others = self.pinned, self.strays, self.taken, self.timeout
        return self.writer, self.has_endpoints, self.conditions, self.owner, *others
