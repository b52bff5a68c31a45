"""The facts that a journal records; only they change a rollout's state."""

from __future__ import annotations

import re
from contextlib import suppress
from typing import Annotated, Any, Literal, get_args

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    TypeAdapter,
    ValidationError,
    ValidationInfo,
    field_serializer,
    field_validator,
    model_serializer,
)

from analysis.counting.cursor import Series
from analysis.counting.origin import Origin
from analysis.dispersion.dispersion import Dispersion
from rollout.decide.record.base import RecordedSplit, RolloutFact
from rollout.decide.record.recorded_numbers import check_numbers
from rollout.decide.record.route_facts import (
    Confirmed,
    Drifted,
    Followed,
    RouteFailed,
    RouteRead,
)
from rollout.decide.record.tally import LookTally
from rollout.plan.model.prometheus import PrometheusServer
from rollout.plan.model.terms import Authority

Command = Literal["pause", "resume", "promote", "abort", "undo", "retry", "abandon", "confirm"]
Action = Literal[
    "hold",
    "make route",
    "advance",
    "hold back",
    "promote",
    "roll back",
    "retreat",
    "reallocate",
    "pause",
    "resume",
    "undo",
    "end",
]


class Started(RolloutFact):
    """A plan was accepted.

    The fact holds the whole document, so that the journal can be read without the plan's file.
    """

    kind: Literal["started"] = "started"
    plan: dict[str, Any]
    digest: str
    total: int = Field(description="Constant total of all splits of this rollout.")
    controller: str = Field(description="Version and build of the controller.")
    uncalibrated: bool = Field(
        default=False, description="The plan asks for a calibration; a person waived it."
    )
    attempt: int = Field(default=1, description="Counts retries of the plan; each has its own id.")
    reads_past: bool = Field(
        default=False,
        description="Stable's past is read before the first step, also without `pods`.",
        exclude_if=lambda value: not value,
    )
    finds_pods: bool = Field(
        default=False,
        description="A label that tells pods apart is looked for.",
        exclude_if=lambda value: not value,
    )
    late_shares: bool = Field(
        default=False,
        description="Tests of shares start anew at every look; in older journals once.",
        exclude_if=lambda value: not value,
    )
    suspects: bool = Field(
        default=False,
        description="Evidence that stable's troubles limit lowers the weight without a verdict.",
        exclude_if=lambda value: not value,
    )
    watches_collapse: bool = Field(
        default=False,
        description="Where nothing is known of the past, a collapse is watched for at every look.",
        exclude_if=lambda value: not value,
    )
    prometheus: PrometheusServer | None = Field(
        default=None,
        description="The controller's Prometheus, of a plan that names none.",
        exclude_if=lambda value: value is None,
    )
    authority: Authority | None = Field(
        default=None,
        description="The narrower of the plan's and the installation's, where it is not full.",
        exclude_if=lambda value: value is None,
    )


_USUAL = (("total", True), ("unlabelled", False), ("amount", False), ("apart", None))
"""Fields of a counter that are not written where they have this value."""


class Observed(RolloutFact):
    """One look's counts, or raw samples of new sample times, and problems, by guardrail."""

    kind: Literal["observed"] = "observed"
    series: dict[str, tuple[Series, ...]] = Field({})
    problems: dict[str, str] = Field({})
    # These names sort behind `series`, so that a scan still passes over observations unread.
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
    tallies: dict[str, LookTally] = Field(
        default={},
        description="What an observer counted itself; such a guardrail has no `series`.",
        exclude_if=lambda value: not value,
    )
    skew: float | None = Field(
        default=None,
        allow_inf_nan=False,
        description="Seconds by which the controller's clock is ahead of Prometheus', if it is "
        "noticeably.",
        exclude_if=lambda value: value is None,
    )

    @field_serializer("series", mode="wrap")
    def _omit_usual(
        self, series: dict[str, tuple[Series, ...]], serialize: SerializerFunctionWrapHandler
    ) -> dict[str, Any]:
        """Write of a counter that it has no total of all units, or no label, where it is so."""
        fields: dict[str, Any] = serialize(series)
        for entries in fields.values():
            for entry in entries:
                for name, usual in _USUAL:
                    if entry.get(name) is usual:
                        del entry[name]
        return fields


class Lived(RolloutFact):
    """Nothing but time has passed: recorded where many looks have left no other entry."""

    kind: Literal["lived"] = "lived"


_OF_TOTALS = ("by", "trouble")
_OF_MARGINS = ("rate", "unexcluded")


class FoundPods(BaseModel):
    """The label by which a guardrail's pods were found; `unused` says why they are not used."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    label: str
    unused: str = Field(default="", exclude_if=lambda value: not value)


class Learned(RolloutFact):
    """How much stable's pods differed in the past, or its totals, or why that is unknown.

    Only the estimates are recorded: half a day of every pod's series is too much for a journal.
    """

    kind: Literal["learned"] = "learned"
    dispersions: dict[str, Dispersion] = Field({})
    problems: dict[str, str] = Field({})
    found_pods: dict[str, FoundPods] = Field(
        default={},
        description="Pods that the plan does not declare, by guardrail.",
        exclude_if=lambda value: not value,
    )
    is_confirmed: bool = Field(
        default=False,
        description="The canary has answered requests, so what was found is final.",
        exclude_if=lambda value: not value,
    )
    is_weighed_after: bool = Field(
        default=False,
        description="Where pods were found, only looks after the confirmation are weighed. Older "
        "journals lack it.",
        exclude_if=lambda value: not value,
    )

    @field_serializer("dispersions", mode="wrap")
    def _omit_unset(
        self, dispersions: dict[str, Dispersion], serialize: SerializerFunctionWrapHandler
    ) -> dict[str, Any]:
        """Write what only totals tell, and what absolute margins need, where it is set.

        Journals have always had pods' dispersions without it.
        """
        fields: dict[str, dict[str, Any]] = serialize(dispersions)
        for name, dispersion in dispersions.items():
            unset = {*_OF_TOTALS} if dispersion.by == "pods" else set()
            unset |= {*_OF_MARGINS} if dispersion.rate is None else set()
            fields[name] = {k: v for k, v in fields[name].items() if k not in unset}
        return fields

    @property
    def unknown(self) -> dict[str, str]:
        """Why there is no valid test, in words, for each guardrail without one."""
        failed = {name: d.problem for name, d in self.dispersions.items() if d.problem}
        return {**failed, **self.problems}

    @property
    def labels(self) -> dict[str, str]:
        """The label of each guardrail whose pods were found and are used."""
        return {name: own.label for name, own in self.found_pods.items() if not own.unused}


class WouldBe(BaseModel):
    """What would be decided with full authority."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    action: Action
    split: RecordedSplit


class Decided(RolloutFact):
    """A decision, recorded before it acts. `split` is what the mesh must show afterwards."""

    kind: Literal["decided"] = "decided"
    action: Action
    split: RecordedSplit
    reasons: tuple[str, ...]
    sentence: str
    numbers: dict[str, Any] = Field({})
    controller: str | None = Field(
        default=None,
        description="The build that decided, where the rollout's entries before name another.",
        exclude_if=lambda value: value is None,
    )
    would: WouldBe | None = Field(
        default=None,
        description="What full authority would choose at this weight, where less holds.",
        exclude_if=lambda value: value is None,
    )

    @field_validator("numbers")
    @classmethod
    def _check_numbers(cls, numbers: dict[str, Any], info: ValidationInfo) -> dict[str, Any]:
        if info.mode == "json":  # it is read; what is written is ours, and waits for nothing
            check_numbers(numbers)
        return numbers


class HumanSaid(RolloutFact):
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
    others: tuple[str, ...] = Field(
        default=(),
        description="By content, for an undo: routes of the same object that rollouts of other "
        "services moved, which are not taken back.",
    )

    @model_serializer(mode="wrap")
    def _omit_unset(self, serialize: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Write these fields only where they are set, as journals have always had commands."""
        fields: dict[str, Any] = serialize(self)
        unset = ("past_successor", "forced", "others")
        return {key: value for key, value in fields.items() if value or key not in unset}


class HookCalled(RolloutFact):
    """A hook is about to be called; after a crash it is called again with the same key."""

    kind: Literal["hook-called"] = "hook-called"
    hook: str
    attempt: int


class HookAnswered(RolloutFact):
    """How a hook's call ended; an empty problem means success."""

    kind: Literal["hook-answered"] = "hook-answered"
    hook: str
    attempt: int
    problem: str = ""


class Calibrated(RolloutFact):
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


class Elected(RolloutFact):
    """A replica became the leader. It belongs to no rollout; the facts after it are of its term."""

    kind: Literal["elected"] = "elected"
    controller: str = Field(description="The replica's name, as in the Lease.")
    term: int = Field(description="Transitions of the Lease: higher with every new leader.")


class Refused(RolloutFact):
    """A replica that no longer led tried to write to the mesh; nothing was written."""

    kind: Literal["refused"] = "refused"
    controller: str
    term: int = Field(description="The term in which it thought to be.")
    problem: str


Fact = Annotated[
    Started
    | Observed
    | Lived
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
FACT: TypeAdapter[Fact] = TypeAdapter(Fact, config=ConfigDict(defer_build=True))
_KINDS = {kind.model_fields["kind"].default: kind for kind in get_args(get_args(Fact)[0])}
_KIND = re.compile(r'"kind":"([a-z-]+)"')


def parse_fact(text: str) -> Fact:
    """Parse a fact's JSON. Raises pydantic.ValidationError.

    The first kind that the text names is tried alone: building all kinds, the whole plan among
    them, takes longer than reading some hundred entries. A text that does not fit it is another
    fact's, or none, which all kinds together decide.
    """
    match = _KIND.search(text)
    if match and match[1] in _KINDS:
        with suppress(ValidationError):
            fact: Fact = _KINDS[match[1]].model_validate_json(text)
            return fact
    return FACT.validate_json(text)


def of_rollout(fact: Fact) -> bool:
    """Return whether a fact belongs to a rollout's state; calibrations and elections do not."""
    return not isinstance(fact, Calibrated | Elected | Refused)
