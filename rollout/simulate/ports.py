"""In-memory implementations of the mesh, clock and journal ports."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from analysis.counting.cursor import Arm
from rollout.decide.evidence.exposure import share_of_all
from rollout.decide.record.facts import Fact
from rollout.decide.record.split import Split, split_at
from rollout.errors import JournalMovedError, RouteError
from rollout.plan.model.plan import Plan
from rollout.ports import Entry, RouteStatus


@dataclass
class VirtualClock:
    """A clock whose time passes only in `sleep`; `time` may be set, as somebody sets a clock."""

    time: float = 1_800_000_000.0
    elapsed: float = 0.0

    def now(self) -> float:
        return self.time

    def monotonic(self) -> float:
        return self.elapsed

    def sleep(self, seconds: float) -> None:
        self.time += seconds
        self.elapsed += seconds


@dataclass
class MemoryRouter:
    """A mesh with one route per plan; `down`, `refusing` and `stuck` are its faults.

    `down`: reads and writes fail with this message. `refusing`: writes fail with this message.
    `stuck`: writes are accepted without effect. `segment`: share of the requests in a plan's
    segment, where the plan does not declare it. `has_endpoints` is of the canary,
    `has_stable_endpoints` of stable; both are unknown while it is `down`.
    """

    statuses: dict[str, RouteStatus] = field(default_factory=dict)
    writes: list[tuple[str, Split, str]] = field(default_factory=list)
    down: str = ""
    refusing: str = ""
    stuck: bool = False
    segment: float = 0.1
    has_endpoints: bool | None = True
    has_stable_endpoints: bool | None = True
    _asked: dict[int, tuple[Plan, str]] = field(default_factory=dict)

    def write(
        self,
        plan: Plan,
        split: Split,
        write_id: str,
        before: tuple[str, ...] | None = None,
        *,
        is_last: bool = False,
    ) -> None:
        del before
        if self.down:
            raise RouteError(self.down, unread=True)  # real routers read before they write
        if self.refusing:
            raise RouteError(self.refusing, refused=True)
        self.writes.append((self._get_id(plan), split, write_id))
        if not self.stuck:
            self.statuses[self._get_id(plan)] = RouteStatus(split, "" if is_last else write_id)

    def read(self, plan: Plan, total: int, before: tuple[str, ...] | None = None) -> RouteStatus:
        del before
        if self.down:
            raise RouteError(self.down, unread=True)
        status = self.statuses.get(self._get_id(plan), RouteStatus(Split(0, total), ""))
        split = status.split
        if split.total == total or split.canaries:
            return status
        return replace(status, split=split_at(split.share, total, split.way))

    def cached(
        self, plan: Plan, total: int, before: tuple[str, ...] | None = None
    ) -> RouteStatus | None:
        """Return nothing: there is no watch."""
        del plan, total, before
        return None

    def share(self, plan: Plan) -> float:
        """Return the canary's live share of traffic.

        The faults do not change it: traffic flows on while the control plane is down.
        """
        route_status = self.statuses.get(self._get_id(plan))
        if route_status is None:
            return 0.0
        share = share_of_all(plan, route_status.split)
        return route_status.split.share * self.segment if share is None else share

    def copies(self, plan: Plan) -> float:
        """Return the share of requests that are mirrored to the canary."""
        route_status = self.statuses.get(self._get_id(plan))
        return (
            route_status.split.share if route_status and route_status.split.way == "mirror" else 0.0
        )

    def endpoints(self, plan: Plan, arm: Arm) -> bool | None:
        """Return what the simulation says of an arm's endpoints."""
        del plan
        if self.down:
            return None
        return self.has_stable_endpoints if arm == "stable" else self.has_endpoints

    def diagnose(self, plan: Plan) -> str:
        del plan
        return "it refuses the update" if self.stuck else ""

    def _get_id(self, plan: Plan) -> str:
        """Return the plan's id, computed once per plan object because it is a digest.

        The cache holds the plan, so that its `id()` is not reused by another object.
        """
        if id(plan) not in self._asked:
            self._asked[id(plan)] = plan, plan.id
        return self._asked[id(plan)][1]


@dataclass
class UnsealedJournal:
    """A Journal that keeps facts in memory: nothing is written, parsed or hashed.

    Only for many short-lived rollouts whose entries are not read later.
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

    def scan(self) -> Iterator[Entry]:
        """See rollout.ports.Journal; all entries are in memory, so none is skipped."""
        return iter(self.entries)

    def read_at(self, places: Sequence[int]) -> Iterator[Entry]:
        """See rollout.ports.Journal."""
        return (self.entries[seq - 1] for seq in places)
