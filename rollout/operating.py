"""What `surefoot operate` plugs together: plans of a cluster, one controller, perhaps a Lease."""

from __future__ import annotations

import os
import secrets
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from rollout import wire
from rollout.decide.facts import Elected
from rollout.errors import ClusterError, InputError, SurefootError
from rollout.journal.place import Where, is_url

if TYPE_CHECKING:
    from rollout.cluster.client import Cluster
    from rollout.cluster.informer import Informer
    from rollout.cluster.kinds import Kind
    from rollout.decide.facts import Fact
    from rollout.metrics.meter import Meter
    from rollout.operate.board import Board
    from rollout.operate.duty import Duty, Tick
    from rollout.operate.election import Candidate
    from rollout.operate.reach import Reach
    from rollout.operate.trigger import Triggers
    from rollout.ports import Entry
    from rollout.schedule import Pacer

_TICK, _SHOW = 0.5, 0.2  # seconds


@dataclass(frozen=True)
class Shard:
    """What one install carries out; replicas of it share the journal and the Lease.

    `namespace` None is all of them. `lease` is `NAME` or `NAMESPACE/NAME`, None for one replica;
    `duration` is how long it is good, in seconds.
    """

    journal: Where
    namespace: str | None
    lease: str | None = None
    duration: float = 15.0
    triggers: bool = False

    @property
    def place(self) -> tuple[str, str]:
        """The Lease's namespace and name. Raises InputError."""
        if not is_url(self.journal) or str(self.journal).startswith("sqlite"):
            raise InputError("a journal in a file is one replica's: a Lease needs postgresql://")
        namespace, _, name = (self.lease or "").rpartition("/")
        namespace = namespace or self.namespace or ""
        if not (namespace and name):
            raise InputError("--lease for all namespaces is NAMESPACE/NAME")
        return namespace, name


@dataclass
class Replica:
    """One process of a shard. Told of each entry and each problem."""

    shard: Shard
    cluster: Cluster
    context: str | None
    meter: Meter
    on_entry: Callable[[Entry], None]
    on_problem: Callable[[str], None]
    _shown: tuple[Board, Triggers | None] | None = None
    _informers: dict[str, Informer] = field(default_factory=dict)

    def __post_init__(self) -> None:
        from rollout.cluster.kinds import DEPLOYMENT, ROLLOUT_PLAN, ROLLOUT_TRIGGER

        more = [ROLLOUT_TRIGGER, DEPLOYMENT] if self.shard.triggers else []
        self._informers = {kind.plural: self._informer(kind) for kind in [ROLLOUT_PLAN, *more]}

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Know what is declared, and show what is to be shown, beside the ticks."""
        for each in self._informers.values():
            each.start()
        try:
            with _beside("show", self._show, _SHOW, self.on_problem):
                yield
        finally:
            for each in self._informers.values():
                each.stop()

    @contextmanager
    def term(
        self, fence: Callable[[], None] = lambda: None, elected: Elected | None = None
    ) -> Iterator[Tick]:
        """Decide on the journal, alone; in place of whoever did before, where one was elected."""
        from rollout.operate.board import Board
        from rollout.operate.operator import Operator
        from rollout.operate.trigger import Triggers

        plans, *more = self._informers.values()
        board, triggers = Board(), Triggers(*more) if more else None
        journal, instead = self.shard.journal, elected is not None
        with wire.controller(journal, self.context, fence, instead=instead) as deciding:
            self.meter.begin()
            namespace = self.shard.namespace
            operating = Operator(deciding, plans, board, namespace, self.on_entry, triggers)
            if elected is not None:
                deciding.note(elected)
            self._shown = board, triggers
            try:
                tick, states = operating.tick, deciding.states
                yield self.meter.around(tick, states, lambda: deciding.head)
            finally:
                self._shown = None

    def duty(self, candidate: Candidate, reach: Reach | None = None) -> Duty:
        """The ticks of a replica that decides only while it leads; they tell what they reach."""
        from rollout.operate.duty import Duty

        now = wire.SystemClock().now

        def begin(term: int) -> AbstractContextManager[Tick]:
            elected = Elected(rollout="", at=now(), controller=candidate.identity, term=term)
            return self.term(duty.check, elected)

        def record(fact: Fact) -> object:
            return wire.record(self.shard.journal, fact)

        succeeded = reach.heard if reach else _nothing
        duty = Duty(candidate, begin, self.meter.stand_by, record, now, succeeded)
        return duty

    def reach(self, ask: Callable[[], object]) -> Reach:
        """Whether the journal answers; who has no answer for a Lease's time gives the Lease up."""
        from rollout.operate.reach import Reach

        return Reach(ask, wire.timer, self.shard.duration)

    def candidate(self, fit: Callable[[], bool] = lambda: True) -> Candidate:
        """This process before the shard's Lease; it stands while it is fit. Raises InputError."""
        from rollout.operate.election import Candidate, Times

        identity = f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(3)}"
        clocks = wire.timer, wire.SystemClock().now
        times = Times(self.shard.duration)
        return Candidate(self.cluster, *self.shard.place, identity, *clocks, times, fit)

    def _informer(self, kind: Kind) -> Informer:
        from rollout.cluster.informer import Informer

        return Informer(self.cluster.api, kind, self.shard.namespace, self.on_problem)

    def _show(self) -> None:
        shown = self._shown
        if shown is None:
            return
        board, triggers = shown
        now = wire.SystemClock().now()
        try:
            board.publish(self.cluster, now)
            if triggers is not None:
                triggers.publish(self.cluster, now)
        except SurefootError:
            raise
        except Exception as error:  # noqa: BLE001 - deciding goes on, whatever is shown
            self.on_problem(f"a status cannot be shown: {error!r}")


@contextmanager
def operator(
    shard: Shard,
    context: str | None,
    on_entry: Callable[[Entry], None],
    on_problem: Callable[[str], None],
    *,
    meter: Meter,
) -> Iterator[Pacer]:
    """Ticks with the plans of a cluster, for ever; what they show is written beside the ticks.

    Raises InputError without a cluster, JournalBusyError, JournalError.
    """
    from rollout.cluster.client import connect
    from rollout.schedule import Pacer

    if shard.lease is not None:
        _ = shard.place  # said before a cluster is asked
    replica = Replica(shard, connect(context), context, meter, on_entry, on_problem)
    with ExitStack() as stack:
        if shard.lease is None:
            tick = stack.enter_context(replica.term())
        else:
            tick = stack.enter_context(_electing(replica))
        stack.enter_context(replica.watching())
        yield Pacer(tick, _never, _TICK, on_problem)


@contextmanager
def _electing(replica: Replica) -> Iterator[Tick]:
    """Campaign beside the ticks; at the end first the journal is given back, then the Lease."""
    from rollout.journal.store import open_journal

    problem = replica.on_problem
    with ExitStack() as stack:
        # A standby that could not take over should not seem to be one, now and later.
        journal = stack.enter_context(closing(open_journal(replica.shard.journal)))
        reach = replica.reach(journal.holder)
        candidate = replica.candidate(reach.holds)
        duty, retry = replica.duty(candidate, reach), candidate.times.retry
        stack.callback(_release, candidate)
        stack.enter_context(_beside("reach", reach.probe, retry, problem))
        stack.enter_context(_beside("campaign", candidate.campaign, retry, problem))
        stack.callback(duty.end)
        yield duty.tick


def _release(candidate: Candidate) -> None:
    with suppress(ClusterError):  # then the Lease runs out by itself
        candidate.release()


@contextmanager
def _beside(
    name: str, work: Callable[[], None], period: float, on_problem: Callable[[str], None]
) -> Iterator[None]:
    """Work at a steady pace in a thread of its own."""
    from rollout.schedule import Pacer

    pacer = Pacer(work, _never, period, on_problem)
    thread = threading.Thread(target=pacer.run, name=name, daemon=True)
    thread.start()
    try:
        yield
    finally:
        pacer.stop()
        thread.join()


def _never() -> bool:
    return False


def _nothing() -> None:
    pass
