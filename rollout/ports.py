"""The ports of a tick: protocols for the outside world, connected by `wire`, faked in tests."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, runtime_checkable

from analysis.counting.cursor import Arm, Cursor, Series
from analysis.counting.origin import Origins
from rollout.decide.record.facts import Fact
from rollout.decide.record.split import Split
from rollout.decide.record.tally import LookTally

if TYPE_CHECKING:
    from analysis.counting.per_pod import PodCounts  # which loads NumPy
    from rollout.plan.model.plan import Plan  # which a reader of the log does without


@dataclass(frozen=True)
class Ask:
    """One rollout's question to an observer: every guardrail's samples later than `since`.

    `since` maps a guardrail's name to the unix time of its newest counted sample; a guardrail
    without one is absent. `cursors` holds what was counted, by which births and falls are noticed.
    With `marks` an observer may count by itself: they hold the last recorded tally of each
    guardrail, None where there is none yet and `cursors` are to be continued. What needs no
    baseline is counted from when the rollout `began`. Where the past is asked for, it is that of
    pods whose label is found, if it `finds_pods`; `by_chance` says that requests were split by
    chance, and that the canary has had some. With `labels`, by guardrail, no more is asked than
    which of these have a value in both versions' series.
    """

    rollout: str
    plan: Plan
    since: Mapping[str, float]
    cursors: Mapping[str, Cursor] = field(default_factory=dict)
    marks: Mapping[str, LookTally | None] | None = None
    began: float | None = None
    finds_pods: bool = False
    by_chance: bool = False
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Answer:
    """Counts or raw samples, or what went wrong in words, by guardrail.

    `tallies` are counts that continue the ask's `marks`, which are repeated here: they are true
    only for a state that still has these. `skew` is by how many seconds the controller's clock is
    ahead of the server's, None where that is not known. Any other guardrail may have raw samples:
    `origins` has the evidence on series that were born or fell, and a guardrail that it lists, with
    or without any, is counted by it. `unbelieved` says in words what is not counted, and why.
    """

    series: Mapping[str, tuple[Series, ...]] = field(default_factory=dict)
    problems: Mapping[str, str] = field(default_factory=dict)
    origins: Mapping[str, Origins] = field(default_factory=dict)
    unbelieved: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    tallies: Mapping[str, LookTally] = field(default_factory=dict)
    marks: Mapping[str, LookTally | None] = field(default_factory=dict)
    skew: float | None = None


@dataclass(frozen=True)
class PodHistory:
    """What stable's pods counted before the rollout, or what went wrong in words, by guardrail.

    Without declared pods a guardrail has its totals, as of one pod, unless `labels` has the label
    by which its pods were found. `awaited` has labels that only the canary's series can confirm.
    `totals` are those of the evidence, where pods are of series that somebody else counts. `shared`
    are those labels of the ask's that have a value in both versions' series.
    """

    pods: Mapping[str, PodCounts] = field(default_factory=dict)
    problems: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    awaited: Mapping[str, str] = field(default_factory=dict)
    totals: Mapping[str, PodCounts] = field(default_factory=dict)
    shared: Mapping[str, str] = field(default_factory=dict)

    def joined(self, other: PodHistory) -> PodHistory:
        """Return what both contain; `other` wins where both have a guardrail."""
        mine, theirs = vars(self), vars(other)
        return PodHistory(**{name: {**mine[name], **theirs[name]} for name in mine})


@dataclass(frozen=True)
class RouteStatus:
    """What the mesh shows: the live split, and the `write_id` that was written with it.

    `policy` describes how the mesh's policy differs from the plan's; empty where it does not.
    `conditions` are what the mesh reports against the route, in words, and `owner` is a controller
    that writes the object back. Beside the plan's routes, `pinned` names those that lead to the
    canary and did so before our first write, which are not moved, and `strays` those that do so
    only since then, which a rollback moves. `leading` has by content what is not ours; a rollout
    records it before its first write. `lacking` has, in the same way, the plan's routes without the
    canary that are not in that record, and what rollouts of other services move. `taken` says
    whether the mesh reports that it has taken the object as it is now; None where it does not say
    so. `timeout` is the longest time-out of the plan's routes, in seconds; None where one has none.
    `is_pending` says that the split gives the canary nothing, and the mesh may yet load something
    that does. `is_noted` says that notes of the plan's service are on the route. `aside` names the
    file in which a rollback kept a route file that could not be used. `version` names the object
    as it is now, as uid@resourceVersion; empty for a mesh whose object has no version.
    """

    split: Split
    write_id: str
    policy: str = ""
    conditions: tuple[str, ...] = ()
    owner: str = ""
    pinned: tuple[str, ...] = ()
    strays: tuple[str, ...] = ()
    leading: tuple[str, ...] = ()
    lacking: tuple[str, ...] = ()
    taken: bool | None = None
    timeout: float | None = None
    is_pending: bool = False
    is_noted: bool = False
    aside: str = ""
    version: str = field(default="", compare=False)


@dataclass(frozen=True)
class Entry:
    """A fact with its number in the journal; `hash` covers it and every entry before it."""

    seq: int
    fact: Fact
    previous: str
    hash: str


@dataclass(frozen=True)
class SkippedObservation:
    """An observation that a scan did not read: its number, its rollout and its time."""

    seq: int
    rollout: str
    at: float
    kind: ClassVar[str] = "observed"


class Observer(Protocol):
    def observe(self, asks: Sequence[Ask], now: float) -> Mapping[str, Answer]:
        """Return answers by rollout id; never raises for a missing or failing source."""
        ...


@runtime_checkable
class HistorySource(Protocol):
    """An observer that can also read the past; without one, requests count as independent."""

    def history(self, ask: Ask, now: float) -> PodHistory:
        """Return the past up to `now`: by pod if these are declared or found, else rates' totals.

        Never raises for a failing source.
        """
        ...


@runtime_checkable
class NoticesHangs(Protocol):
    """An observer that knows which of its servers hang; all of another one's answer."""

    def find_hung(self, plan: Plan) -> str:
        """Return the server of a plan that took long at the newest look; empty for none."""
        ...


class Router(Protocol):
    """A mesh.

    Once a rollout has sent a write, `before` is what `RouteStatus.leading` was before it: whatever
    else leads to the canary is the rollout's to take back, also where people removed our notes from
    the mesh. It is None before the first write.

    `is_last` says that an end is written, after which nothing needs our notes in the mesh: a write
    leaves none, and gives weights that have all gone back to stable their numbers of before.
    """

    def write(
        self,
        plan: Plan,
        split: Split,
        write_id: str,
        before: tuple[str, ...] | None = None,
        *,
        is_last: bool = False,
    ) -> None:
        """Write a split and its `write_id`; idempotent. Raises RouteError."""
        ...

    def read(self, plan: Plan, total: int, before: tuple[str, ...] | None = None) -> RouteStatus:
        """Return what the mesh shows now, as weights of `total`. Raises RouteError."""
        ...

    def cached(
        self, plan: Plan, total: int, before: tuple[str, ...] | None = None
    ) -> RouteStatus | None:
        """Return what a watch of the mesh showed last, without a request; None without a watch.

        It may be older than what `read` returns. Raises RouteError like `read`.
        """
        ...

    def endpoints(self, plan: Plan, arm: Arm) -> bool | None:
        """Return whether an arm has ready endpoints; None where nobody can tell.

        Never raises for a missing right, a missing kind or a failing source.
        """
        ...

    def diagnose(self, plan: Plan) -> str:
        """Return the mesh's own explanation of why it rejects the write; empty without one."""
        ...


@dataclass(frozen=True)
class HookCall:
    """One hook call; `timeout` in seconds. Receivers recognise a repeated call by its key."""

    key: str
    url: str
    timeout: float
    body: Mapping[str, Any]


@dataclass(frozen=True)
class HookReply:
    """How a call ended; an empty problem means success."""

    key: str
    problem: str = ""


class Hooks(Protocol):
    def call(self, call: HookCall) -> None:
        """Begin a call and return at once; never raises."""
        ...

    def replies(self) -> Sequence[HookReply]:
        """Return the calls that have ended since the last request for replies.

        Every call ends within its timeout.
        """
        ...


class NoHooks:
    """Makes no call and reports every call as answered; for rehearsals."""

    def __init__(self) -> None:
        self._calls: list[HookCall] = []

    def call(self, call: HookCall) -> None:
        self._calls.append(call)

    def replies(self) -> Sequence[HookReply]:
        calls, self._calls = self._calls, []
        return [HookReply(call.key) for call in calls]


class Journal(Protocol):
    def append(self, facts: Sequence[Fact], after: int) -> Sequence[Entry]:
        """Append in one durable transaction, if the last entry is still number `after` (0: none).

        Raises JournalMovedError when somebody appended first, JournalError when not written.
        """
        ...

    def read(self, after: int = 0) -> Sequence[Entry]:
        """Return every entry numbered above `after`, in order. Raises JournalError."""
        ...

    def scan(self) -> Iterator[Entry | SkippedObservation]:
        """Yield every entry from the first on, verified as in `read`; evidence may be skipped.

        Only a batch of entries is in memory at a time. Raises JournalError.
        """
        ...

    def read_at(self, places: Sequence[int]) -> Iterator[Entry]:
        """Yield the entries of these ascending numbers. Raises JournalError if one is missing."""
        ...


class Clock(Protocol):
    def now(self) -> float:
        """Return the time in unix seconds."""
        ...

    def monotonic(self) -> float:
        """Return seconds that only grow, from any origin; a clock that is set changes nothing."""
        ...

    def sleep(self, seconds: float) -> None: ...


@dataclass(frozen=True)
class Ports:
    """Everything outside the process that a tick may use."""

    observer: Observer
    router: Router
    journal: Journal
    clock: Clock
    hooks: Hooks = field(default_factory=NoHooks)
