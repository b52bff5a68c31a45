"""The facts that a journal records; only they change a rollout's state."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    TypeAdapter,
    WrapSerializer,
    model_serializer,
)

from analysis.counting.cursor import Series
from analysis.counting.origin import Origin
from analysis.dispersion.estimate import Dispersion
from rollout.decide.record.split import Split

Command = Literal["pause", "resume", "promote", "abort", "undo", "retry", "abandon", "confirm"]
FollowOutcome = Literal["seen", "not followed", "not seen"]
Action = Literal[
    "hold",
    "make route",
    "advance",
    "hold back",
    "promote",
    "roll back",
    "retreat",
    "pause",
    "resume",
    "undo",
]


def _omit_single_canary(split: Split, serialize: SerializerFunctionWrapHandler) -> dict[str, Any]:
    """Write a split of one canary without `canaries`, as journals have always had it."""
    fields: dict[str, Any] = serialize(split)
    if not split.canaries:
        del fields["canaries"]
    return fields


RecordedSplit = Annotated[Split, WrapSerializer(_omit_single_canary)]


class _Fact(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    rollout: str = Field(description="Rollout id: the plan's name and digest.")
    at: float = Field(description="Unix seconds, as told by the clock port.")


class Started(_Fact):
    """A plan was accepted.

    The fact holds the whole document, so that the journal can be read without the plan's file.
    """

    kind: Literal["started"] = "started"
    plan: dict[str, Any]
    digest: str
    total: int = Field(description="Constant total of all splits of this rollout.")
    controller: str = Field(description="Version of the controller.")
    uncalibrated: bool = Field(
        default=False, description="The plan asks for a calibration; a person waived it."
    )
    attempt: int = Field(default=1, description="Counts retries of the plan; each has its own id.")


class Observed(_Fact):
    """One look's raw samples and problems by guardrail; only series with new samples are listed."""

    kind: Literal["observed"] = "observed"
    series: dict[str, tuple[Series, ...]] = {}
    problems: dict[str, str] = {}
    # Both names sort behind `series`, so that a scan still passes over observations unread.
    zeros: dict[str, dict[str, Origin]] = Field(
        default={},
        description="Evidence on series that were born or fell, by guardrail and series; a "
        "guardrail that is listed is counted by `belief`, any other by the rule of older journals.",
        exclude_if=lambda value: not value,
    )
    unbelieved: dict[str, tuple[str, ...]] = Field(
        default={},
        description="What was not counted, in words, by guardrail.",
        exclude_if=lambda value: not value,
    )


class Learned(_Fact):
    """How much stable's pods differed in the past, by guardrail, or why that is unknown.

    Only the estimates are recorded: half a day of every pod's series is too much for a journal.
    """

    kind: Literal["learned"] = "learned"
    dispersions: dict[str, Dispersion] = {}
    problems: dict[str, str] = {}

    @property
    def unknown(self) -> dict[str, str]:
        """Why there is no valid test, in words, for each guardrail without one."""
        failed = {name: d.problem for name, d in self.dispersions.items() if d.problem}
        return {**failed, **self.problems}


class Decided(_Fact):
    """A decision, recorded before it acts. `split` is what the mesh must show afterwards."""

    kind: Literal["decided"] = "decided"
    action: Action
    split: RecordedSplit
    reasons: tuple[str, ...]
    sentence: str
    numbers: dict[str, Any] = {}


class Confirmed(_Fact):
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


class Followed(_Fact):
    """Whether the counted requests follow a rollout's last write; its end, or a change after it."""

    kind: Literal["followed"] = "followed"
    decision: int = Field(description="Sequence number of the decision that was written.")
    outcome: FollowOutcome
    sentence: str
    numbers: dict[str, Any] = {}
    stable: str | None = Field(
        default=None, description="The version that is stable from now on, where this is an end."
    )


class RouteFailed(_Fact):
    """The mesh did not take a split, or could not be read; it is tried again with back-off."""

    kind: Literal["route-failed"] = "route-failed"
    decision: int
    problem: str
    attempt: int
    refused: bool = Field(default=False, description="Trying again alone does not cure it.")
    unread: bool = Field(default=False, description="Nobody could ask the mesh what it shows.")
    unsent: bool = Field(default=False, description="No write was sent in this attempt.")


class HumanSaid(_Fact):
    """A command that a person gave."""

    kind: Literal["human-said"] = "human-said"
    command: Command
    actor: str
    reason: str = ""
    past_successor: bool = Field(
        default=False,
        description="An undo of the newest promotion, although a later rollout has failed since.",
    )
    forced: bool = Field(default=False, description="It was given with force.")

    @model_serializer(mode="wrap")
    def _omit_unset(self, serialize: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Write both flags only where they are set, as journals have always had commands."""
        fields: dict[str, Any] = serialize(self)
        flags = ("past_successor", "forced")
        return {key: value for key, value in fields.items() if value or key not in flags}


class Drifted(_Fact):
    """Somebody else moved the weights, or changed the policy that the plan asks for."""

    kind: Literal["drifted"] = "drifted"
    seen: RecordedSplit
    policy: str = Field(default="", description="Where the mesh's policy is another, in words.")
    anew: bool = Field(
        default=False,
        description="The share of traffic is tested anew: what was counted may be of either split.",
    )


class RouteRead(_Fact):
    """What the mesh shows of the route; recorded where it is not what was recorded last.

    Before the first write it has the live split. Afterwards `Confirmed` and `Drifted` tell that,
    and this fact has only what the mesh reports of the route.
    """

    kind: Literal["route-read"] = "route-read"
    split: RecordedSplit | None = Field(
        default=None, description="The live split before the first write; none if unreadable."
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
    withdrawn: int = Field(
        default=0, description="The decision that was not written, since the route had moved."
    )

    @property
    def content(self) -> tuple[object, ...]:
        """Everything that the mesh showed, to compare with what was recorded before."""
        return self.split, self.problem, self.absent, *self.reports

    @property
    def reports(self) -> tuple[object, ...]:
        """What the mesh reports of the route besides its weights."""
        others = self.pinned, self.strays, self.taken, self.timeout
        return self.writer, self.has_endpoints, self.conditions, self.owner, *others


class HookCalled(_Fact):
    """A hook is about to be called; after a crash it is called again with the same key."""

    kind: Literal["hook-called"] = "hook-called"
    hook: str
    attempt: int


class HookAnswered(_Fact):
    """How a hook's call ended; an empty problem means success."""

    kind: Literal["hook-answered"] = "hook-answered"
    hook: str
    attempt: int
    problem: str = ""


class Calibrated(_Fact):
    """How often the whole engine rolled back stable's own pods, over their recorded past.

    It is measured before a rollout begins; `rollout` is the id that the plan's rollout has or will
    have.
    """

    kind: Literal["calibrated"] = "calibrated"
    runs: int = Field(description="Replays that could be judged.")
    rolled_back: int = Field(description="Replays that ended in a rollback: each is a false one.")
    untested: int = Field(description="Further replays in which no valid test existed.")
    bound: float = Field(description="Upper confidence bound of the false-rollback rate.")
    level: float = Field(description="Confidence of the bound, one-sided.")
    alpha: float = Field(description="The false-rollback rate that the plan declares.")
    pods: int = Field(description="Pods of stable in the past.")
    canary_pods: int
    history: float = Field(description="Seconds of the past.")
    window: float = Field(description="Seconds that a replay lasts at most.")
    seed: int

    @property
    def holds(self) -> bool:
        """Whether the bound confirms the declared rate."""
        return self.bound <= self.alpha


class Elected(_Fact):
    """A replica became the leader. It belongs to no rollout; the facts after it are of its term."""

    kind: Literal["elected"] = "elected"
    controller: str = Field(description="The replica's name, as in the Lease.")
    term: int = Field(description="Transitions of the Lease: higher with every new leader.")


class Refused(_Fact):
    """A replica that no longer led tried to write to the mesh; nothing was written."""

    kind: Literal["refused"] = "refused"
    controller: str
    term: int = Field(description="The term in which it thought to be.")
    problem: str


Fact = Annotated[
    Started
    | Observed
    | Learned
    | Decided
    | Confirmed
    | Followed
    | RouteFailed
    | HumanSaid
    | Drifted
    | RouteRead
    | HookCalled
    | HookAnswered
    | Calibrated
    | Elected
    | Refused,
    Field(discriminator="kind"),
]
FACT: TypeAdapter[Fact] = TypeAdapter(Fact)


def of_rollout(fact: Fact) -> bool:
    """Return whether a fact belongs to a rollout's state; calibrations and elections do not."""
    return not isinstance(fact, Calibrated | Elected | Refused)
