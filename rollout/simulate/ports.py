"""Stand-ins for the mesh, the clock and the journal that a tick needs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from rollout.decide.evidence.exposure import share_of_all
from rollout.decide.record.facts import Fact
from rollout.decide.record.split import Split
from rollout.errors import JournalMovedError, RouteError
from rollout.plan.model.plan import Plan
from rollout.ports import Entry, RouteStatus


@dataclass
class VirtualClock:
    """Time that passes only when somebody sleeps."""

    time: float = 1_800_000_000.0

    def now(self) -> float:
        return self.time

    def sleep(self, seconds: float) -> None:
        self.time += seconds


@dataclass
class MemoryRouter:
    """A mesh of one route per plan; `down`, `refusing` and `stuck` are its faults.

    `segment`: share of the requests in a plan's segment, where the plan does not declare it.
    """

    shown: dict[str, RouteStatus] = field(default_factory=dict)
    writes: list[tuple[str, Split, str]] = field(default_factory=list)
    down: str = ""
    refusing: str = ""
    stuck: bool = False
    segment: float = 0.1
    _asked: dict[int, tuple[Plan, str]] = field(default_factory=dict)

    def write(self, plan: Plan, split: Split, mark: str) -> None:
        if self.down:
            raise RouteError(self.down, unread=True)  # a write begins with a reading
        if self.refusing:
            raise RouteError(self.refusing, refused=True)
        self.writes.append((self._id(plan), split, mark))
        if not self.stuck:
            self.shown[self._id(plan)] = RouteStatus(split, mark)

    def read(self, plan: Plan, total: int) -> RouteStatus:
        if self.down:
            raise RouteError(self.down, unread=True)
        return self.shown.get(self._id(plan), RouteStatus(Split(0, total), ""))

    def share(self, plan: Plan) -> float:
        """The canary's live share of traffic: it flows on while nobody can ask or write."""
        seen = self.shown.get(self._id(plan))
        if seen is None:
            return 0.0
        share = share_of_all(plan, seen.split)
        return seen.split.share * self.segment if share is None else share

    def copies(self, plan: Plan) -> float:
        """The share of requests that the canary gets copies of."""
        seen = self.shown.get(self._id(plan))
        return seen.split.share if seen and seen.split.way == "mirror" else 0.0

    def diagnose(self, plan: Plan) -> str:
        del plan
        return "it refuses the update" if self.stuck else ""

    def _id(self, plan: Plan) -> str:
        """The plan's id, a digest, computed once for each object that asks."""
        if id(plan) not in self._asked:
            self._asked[id(plan)] = plan, plan.id
        return self._asked[id(plan)][1]


@dataclass
class UnsealedJournal:
    """A Journal of facts as they are: nothing is written, parsed or hashed.

    Only for many short-lived rollouts whose entries nobody will read again.
    """

    entries: list[Entry] = field(default_factory=list)

    def append(self, facts: Sequence[Fact], after: int) -> Sequence[Entry]:
        """See rollout.ports.Journal."""
        last = len(self.entries)
        if after != last:
            raise JournalMovedError(f"the journal moved on: its last entry is {last}, not {after}")
        self.entries += [Entry(seq, fact, "", "") for seq, fact in enumerate(facts, last + 1)]
        return self.entries[last:]

    def read(self, after: int = 0) -> Sequence[Entry]:
        """See rollout.ports.Journal."""
        return self.entries[after:]

    def skim(self) -> Iterator[Entry]:
        """See rollout.ports.Journal; nothing is gained by passing over what is there."""
        return iter(self.entries)

    def pick(self, places: Sequence[int]) -> Iterator[Entry]:
        """See rollout.ports.Journal."""
        return (self.entries[place - 1] for place in places)
