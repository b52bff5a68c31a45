"""One process of a shard: what it watches, decides while it leads, and shows."""

from __future__ import annotations

import os
import secrets
import socket
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from rollout.decide.record.facts import Elected
from rollout.errors import SurefootError
from rollout.wire import clock
from rollout.wire.background import run_in_background
from rollout.wire.controller import open_controller, record
from rollout.wire.shard import Shard

if TYPE_CHECKING:
    from rollout.decide.record.facts import Fact
    from rollout.kube.client import Cluster
    from rollout.kube.informer import Informer
    from rollout.kube.kinds import Kind
    from rollout.leader.election import LeaderElector
    from rollout.leader.journal_health import JournalHealth
    from rollout.leader.loop import LeaderLoop, Tick
    from rollout.metrics.meter import Meter
    from rollout.operate.status.outbox import StatusOutbox
    from rollout.operate.triggers.trigger import Triggers
    from rollout.ports import Entry

_SHOW = 0.2  # seconds


@dataclass
class Replica:
    """One process of a shard. Told of each entry and each problem."""

    shard: Shard
    cluster: Cluster
    context: str | None
    meter: Meter
    on_entry: Callable[[Entry], None]
    on_problem: Callable[[str], None]
    _shown: tuple[StatusOutbox, Triggers | None] | None = None
    _informers: dict[str, Informer] = field(default_factory=dict)

    def __post_init__(self) -> None:
        from rollout.kube.kinds import DEPLOYMENT, ROLLOUT_PLAN, ROLLOUT_TRIGGER

        more = [ROLLOUT_TRIGGER, DEPLOYMENT] if self.shard.triggers else []
        self._informers = {kind.plural: self._informer(kind) for kind in [ROLLOUT_PLAN, *more]}

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Know what is declared, and show what is to be shown, beside the ticks."""
        for each in self._informers.values():
            each.start()
        try:
            with run_in_background("show", self._show, _SHOW, self.on_problem):
                yield
        finally:
            for each in self._informers.values():
                each.stop()

    @contextmanager
    def term(
        self, fence: Callable[[], None] = lambda: None, elected: Elected | None = None
    ) -> Iterator[Tick]:
        """Decide on the journal, alone; in place of whoever did before, where one was elected."""
        from rollout.operate.reconciler import Reconciler
        from rollout.operate.status.outbox import StatusOutbox
        from rollout.operate.triggers.trigger import Triggers

        plans, *more = self._informers.values()
        board, triggers = StatusOutbox(), Triggers(*more) if more else None
        journal, instead = self.shard.journal, elected is not None
        with open_controller(journal, self.context, fence, instead=instead) as deciding:
            self.meter.begin()
            namespace = self.shard.namespace
            operating = Reconciler(deciding, plans, board, namespace, self.on_entry, triggers)
            if elected is not None:
                deciding.note(elected)
            self._shown = board, triggers
            try:
                tick, states = operating.tick, deciding.states
                yield self.meter.around(tick, states, lambda: deciding.head)
            finally:
                self._shown = None

    def duty(self, candidate: LeaderElector, reach: JournalHealth | None = None) -> LeaderLoop:
        """The ticks of a replica that decides only while it leads; they tell what they reach."""
        from rollout.leader.loop import LeaderLoop

        now = clock.SystemClock().now

        def begin(term: int) -> AbstractContextManager[Tick]:
            elected = Elected(rollout="", at=now(), controller=candidate.identity, term=term)
            return self.term(duty.check, elected)

        def say(fact: Fact) -> object:
            return record(self.shard.journal, fact)

        told = (reach.heard, reach.failed) if reach else ()
        duty = LeaderLoop(candidate, begin, self.meter.stand_by, say, now, *told)
        return duty

    def reach(self, ask: Callable[[], object]) -> JournalHealth:
        """Whether the journal can be used; who cannot for a Lease's time gives the Lease up."""
        from rollout.leader.journal_health import JournalHealth

        reach = JournalHealth(ask, clock.timer, self.shard.duration)
        self.meter.usable = reach.usable
        return reach

    def candidate(self, fit: Callable[[], bool] = lambda: True) -> LeaderElector:
        """This process before the shard's Lease; it stands while it is fit. Raises InputError."""
        from rollout.leader.election import LeaderElector, LeaseTimes

        identity = f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(3)}"
        clocks = clock.timer, clock.SystemClock().now
        times = LeaseTimes(self.shard.duration)
        return LeaderElector(self.cluster, *self.shard.place, identity, *clocks, times, fit)

    def _informer(self, kind: Kind) -> Informer:
        from rollout.kube.informer import Informer

        return Informer(self.cluster.api, kind, self.shard.namespace, self.on_problem)

    def _show(self) -> None:
        shown = self._shown
        if shown is None:
            return
        board, triggers = shown
        now = clock.SystemClock().now()
        try:
            board.publish(self.cluster, now)
            if triggers is not None:
                triggers.publish(self.cluster, now)
        except SurefootError:
            raise
        except Exception as error:  # noqa: BLE001 - deciding goes on, whatever is shown
            self.on_problem(f"a status cannot be shown: {error!r}")
