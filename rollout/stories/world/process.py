"""A controller's process: it is wired as in production, and dies, freezes and starts again."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from rollout.decide.record.facts import Elected, Fact
from rollout.errors import ClusterError, SurefootError
from rollout.journal.scan import new_entries
from rollout.kube.kinds import Kind
from rollout.kube.watches import WatchedObjects
from rollout.leader.election import LeaderElector, LeaseTimes
from rollout.leader.loop import LeaderLoop
from rollout.plan.model.plan import Plan
from rollout.ports import Ports
from rollout.route.fence import FencedObjects
from rollout.route.kube.router import ClusterRouter
from rollout.route.mesh_router import MeshAccess, MeshRouter
from rollout.route.policy.cluster import ClusterPolicyStore
from rollout.stories.setting import NAMESPACE
from rollout.stories.world.client import ApiClient, SimulatedWatch
from rollout.stories.world.envoy import open_envoy
from rollout.stories.world.hooks import SimulatedHooks
from rollout.stories.world.older import OlderController
from rollout.stories.world.prometheus import SimulatedObserver
from rollout.stories.world.store import SimulatedDisk, SimulatedJournal
from rollout.tick import bulkheads
from rollout.tick.agenda import Agenda
from rollout.tick.controller import Controller
from rollout.tick.fleet import Fleet

if TYPE_CHECKING:
    from rollout.stories.world.world import StoryWorld

_AGAIN = 3.0  # seconds
_LEASE = 6.0  # seconds
_REQUESTS = frozenset({"get", "patch", "lease"})


class ProcessKilledError(BaseException):
    """The process is gone; nothing may catch it."""


@dataclass
class ProcessClock:
    """The wall clock of one process's machine; sleeping lets the world go on."""

    world: StoryWorld
    skew: float = 0.0
    slept: float = 0.0  # seconds in which the machine slept: its monotonic clock stood still
    stalled_until: float = 0.0  # until then the monotonic clock stands still while processes run

    def now(self) -> float:
        return self.world.now + self.world.wall_offset + self.skew

    def monotonic(self) -> float:
        return max(self.world.now, self.stalled_until) - self.slept

    def sleep(self, seconds: float) -> None:
        self.world.advance(self.world.now + seconds)


@dataclass
class SimulatedProcess:
    """One replica. `doomed` counts the effects until it dies; None: it lives.

    `frozen_until` is the true time until which its machine stands still, and `freezes` that which
    begins with its next effect of a name. Until `parted_until` it gets no answer of the API server.
    `interrupts` are what others do right before its next effect of a name.
    """

    world: StoryWorld
    name: str
    disk: SimulatedDisk
    plans: Sequence[Plan]
    is_elected: bool = False
    doomed: int | None = None
    frozen_until: float = 0.0
    parted_until: float = 0.0
    interrupts: list[tuple[str, Callable[[], None]]] = field(default_factory=list)
    freezes: tuple[str, float] | None = None
    starts_at: float = 0.0
    controller: Controller | None = None
    effects: list[str] = field(default_factory=list)
    deaths: int = 0
    _loop: LeaderLoop | None = None
    _candidate: LeaderElector | None = None
    _tick: Callable[[], None] | None = None
    _stack: ExitStack = field(default_factory=ExitStack)

    def __post_init__(self) -> None:
        self.clock = ProcessClock(self.world)

    def is_awake(self) -> bool:
        """Whether the process runs now."""
        return self.world.now >= max(self.frozen_until, self.starts_at)

    def step(self) -> None:
        """Run one tick, if the process lives; a dead one is started again."""
        if not self.is_awake():
            return
        try:
            if self._tick is None:
                self._tick = self._open()
            self._tick()
        except SurefootError as error:
            self.world.problems.append(str(error))
            if self._tick is None:
                self.starts_at = self.world.now + _AGAIN  # its supervisor starts it again
        except ProcessKilledError:
            self.die()
        except Exception as error:  # noqa: BLE001 - as production, which ends with a traceback
            self.world.tracebacks.append(f"{self.name}: {type(error).__name__}: {error}")
            self.world.raised.append(error)
            self.die()

    def die(self, restart_after: float = 0.0) -> None:
        """End at once; the kernel frees the journal's lock."""
        self.deaths += 1
        self.doomed = None
        self.controller = self._loop = self._candidate = self._tick = None
        if self.disk.holder == self.name:
            self.disk.holder = ""
        self._stack = ExitStack()  # nothing is unwound: nobody is there to do so
        self.starts_at = self.world.now + restart_after

    def effect(self, name: str) -> None:
        """Pass a point at which the process may die or freeze."""
        self.effects.append(name)
        if self.freezes is not None and self.freezes[0] == name:
            seconds, self.freezes = self.freezes[1], None
            self.world.freeze(self, seconds)
        due = [act for at, act in self.interrupts if at == name]
        self.interrupts = [item for item in self.interrupts if item[0] != name]
        for act in due:
            act()
        if self.doomed is not None:
            self.doomed -= 1
            if self.doomed <= 0:
                raise ProcessKilledError
        if name in _REQUESTS and self.world.now < self.parted_until:
            raise ClusterError("the API server does not answer: no route to host", 0)

    def leads(self) -> bool:
        """Whether the process may decide by its own account."""
        if self.is_elected:
            return self._candidate is not None and self._candidate.leads
        return True

    def _open(self) -> Callable[[], None]:
        """Start the process; return what it repeats."""
        if not self.is_elected:
            journal = self._connect()
            self._stack.enter_context(journal.lock())
            self.controller = self._build(journal, journal.check_held)
            return self._begin_plans(self.controller)
        client = ApiClient(self.world.api, self.name, self.effect, self.clock.sleep)
        times = LeaseTimes(_LEASE)
        candidate = LeaderElector(
            client, NAMESPACE, "shard", f"{self.name}-{self.deaths}", self._timer, self.clock.now,
            times,
        )  # fmt: skip
        loop = LeaderLoop(candidate, self._begin, lambda: None, self._record, self.clock.now)
        self._candidate, self._loop = candidate, loop

        def tick() -> None:
            candidate.try_acquire_or_renew()
            loop.tick()

        return tick

    @contextmanager
    def _begin(self, term: int) -> Iterator[Callable[[], None]]:
        """Begin a term, as the production replica does."""
        journal = self._connect()
        loop = self._loop
        if loop is None:
            raise ProcessKilledError

        def fence() -> None:
            loop.check()
            journal.check_held()

        with journal.lock(instead=True):
            controller = self.controller = self._build(journal, fence)
            elected = Elected(rollout="", at=self.clock.now(), controller=self.name, term=term)
            controller.note(elected)
            yield self._begin_plans(controller)

    def _begin_plans(self, controller: Controller) -> Callable[[], None]:
        """Take up the plans as `surefoot run` does; return what is repeated."""
        agenda = Agenda(controller, on_refusal=self.world.problems.append)
        agenda.begin(self.plans)
        return agenda.tick

    def _tell(self, problem: str) -> None:
        is_unexpected = bulkheads.UNEXPECTED in problem
        (self.world.tracebacks if is_unexpected else self.world.problems).append(problem)

    def _record(self, fact: Fact) -> object:
        journal = self._connect()
        _, newest = new_entries(journal, 0)
        return journal.append([fact], newest)

    def _timer(self) -> float:
        return self.world.now

    def _connect(self) -> SimulatedJournal:
        return SimulatedJournal(self.disk, self.name, self.effect)

    def _build(self, journal: SimulatedJournal, fence: Callable[[], None]) -> Controller:
        api = ApiClient(self.world.api, self.name, self.effect, self.clock.sleep)

        def watch(kind: Kind, namespace: str) -> SimulatedWatch:
            del namespace
            return SimulatedWatch(self.world.api, kind)

        fenced = FencedObjects(api, fence)
        weights = ClusterRouter(fenced, WatchedObjects(watch), api)
        access = MeshAccess(weights, ClusterPolicyStore(fenced))
        envoy = MeshAccess(open_envoy(self, fence))
        router = MeshRouter(
            {"istio": lambda: access, "gateway": lambda: access, "envoy": lambda: envoy}, fence
        )
        observer = SimulatedObserver(
            self.world.prometheus, self.effect, self.clock.sleep, self.world.hanging
        )
        hooks = SimulatedHooks(self.world)
        ports = Ports(observer, router, journal, self.clock, hooks)
        fleet = Fleet(watches=True)
        version = OlderController if self.disk.is_old else Controller
        return version(ports, "simulated", fleet=fleet, on_problem=self._tell)
