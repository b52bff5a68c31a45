"""What a tick needs of the world: four ports, plugged in by `wire`, faked in tests."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol, runtime_checkable

from analysis.counting.cursor import Series
from analysis.counting.per_pod import PodCounts
from rollout.decide.record.facts import Fact
from rollout.decide.record.split import Split
from rollout.plan.model.plan import Plan


@dataclass(frozen=True)
class Ask:
    """One rollout's question to an observer: every guardrail's samples later than `since`.

    `since` maps a guardrail's name to the unix time of its newest known sample; absent: never seen.
    """

    rollout: str
    plan: Plan
    since: Mapping[str, float]


@dataclass(frozen=True)
class Answer:
    """Raw samples, or what went wrong in words, by guardrail."""

    series: Mapping[str, tuple[Series, ...]] = field(default_factory=dict)
    problems: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class PodHistory:
    """What stable's pods counted before the rollout, or what went wrong in words, by guardrail."""

    pods: Mapping[str, PodCounts] = field(default_factory=dict)
    problems: Mapping[str, str] = field(default_factory=dict)

    def joined(self, other: PodHistory) -> PodHistory:
        """What both know."""
        return PodHistory({**self.pods, **other.pods}, {**self.problems, **other.problems})


@dataclass(frozen=True)
class RouteStatus:
    """What the mesh itself shows: the live split and the mark that was written with it.

    `policy` says where the mesh's policy is not what the plan asks for; empty where it is.
    """

    split: Split
    mark: str
    policy: str = ""


@dataclass(frozen=True)
class Entry:
    """A fact with its place in the journal; `hash` seals it and everything before it."""

    seq: int
    fact: Fact
    previous: str
    hash: str


@dataclass(frozen=True)
class SkippedObservation:
    """An entry that holds a rollout's evidence, unread: where it is, of which rollout, and when."""

    seq: int
    rollout: str
    at: float
    kind: ClassVar[str] = "observed"


class Observer(Protocol):
    def observe(self, asks: Sequence[Ask], now: float) -> Mapping[str, Answer]:
        """Answers by rollout id; never raises for a missing or ailing source."""
        ...


@runtime_checkable
class HistorySource(Protocol):
    """An observer that also knows the past; one that does not leaves requests independent."""

    def history(self, ask: Ask, now: float) -> PodHistory:
        """The past of a plan that declares pods, up to `now`; never raises for an ailing source."""
        ...


class Router(Protocol):
    def write(self, plan: Plan, split: Split, mark: str) -> None:
        """Write a split and its mark; idempotent. Raises RouteError."""
        ...

    def read(self, plan: Plan, total: int) -> RouteStatus:
        """What the mesh shows now, in parts of `total`. Raises RouteError."""
        ...

    def diagnose(self, plan: Plan) -> str:
        """Why the mesh refuses what was written, in its own words; empty where it does not say."""
        ...


@runtime_checkable
class Watcher(Protocol):
    """A router that is told of changes: looking costs no request."""

    def glance(self, plan: Plan, total: int) -> RouteStatus | None:
        """What the mesh showed last, never newer than `read`; None where nobody was told.

        Raises RouteError like `read`.
        """
        ...


@dataclass(frozen=True)
class HookCall:
    """One call of a hook; `timeout` in seconds. Receivers know a repeated call by its key."""

    key: str
    url: str
    timeout: float
    body: Mapping[str, Any]


@dataclass(frozen=True)
class HookReply:
    """How a call ended; without a problem it was answered."""

    key: str
    problem: str = ""


class Hooks(Protocol):
    def call(self, call: HookCall) -> None:
        """Begin a call and return at once; never raises."""
        ...

    def replies(self) -> Sequence[HookReply]:
        """The calls that have ended since this was asked last, each within its timeout."""
        ...


class NoHooks:
    """Nobody is called and everything is taken as answered: for rehearsals."""

    def __init__(self) -> None:
        self._calls: list[HookCall] = []

    def call(self, call: HookCall) -> None:
        self._calls.append(call)

    def replies(self) -> Sequence[HookReply]:
        found, self._calls = self._calls, []
        return [HookReply(call.key) for call in found]


class Journal(Protocol):
    def append(self, facts: Sequence[Fact], after: int) -> Sequence[Entry]:
        """Append in one durable transaction, if the last entry is still `after` (0: empty).

        Raises JournalMovedError when somebody appended first, JournalError when not written.
        """
        ...

    def read(self, after: int = 0) -> Sequence[Entry]:
        """Every entry with a sequence number above `after`, in order. Raises JournalError."""
        ...

    def skim(self) -> Iterator[Entry | SkippedObservation]:
        """All of it from the first entry on, verified as in `read`; evidence may be passed over.

        Holds no more than a part of it at a time. Raises JournalError.
        """
        ...

    def pick(self, places: Sequence[int]) -> Iterator[Entry]:
        """The entries of these ascending numbers. Raises JournalError where one is not there."""
        ...


class Clock(Protocol):
    def now(self) -> float:
        """Unix seconds."""
        ...

    def sleep(self, seconds: float) -> None: ...


@dataclass(frozen=True)
class Ports:
    """The world, as far as a tick may touch it."""

    observer: Observer
    router: Router
    journal: Journal
    clock: Clock
    hooks: Hooks = field(default_factory=NoHooks)
