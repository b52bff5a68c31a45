"""Assembles one process of a shard: its caches, its controller and its status writer."""

from __future__ import annotations

import os
import secrets
import socket
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from functools import partial
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
    from rollout.kube.watches import LateWatch
    from rollout.leader.election import LeaderElector
    from rollout.leader.journal_health import JournalHealth
    from rollout.leader.loop import LeaderLoop, Tick
    from rollout.metrics.meter import Meter
    from rollout.operate.deletions import Deletions
    from rollout.operate.status.outbox import StatusOutbox
    from rollout.operate.triggers.trigger import Triggers
    from rollout.ports import Entry

_SHOW = 0.2  # seconds


@dataclass
class Replica:
    """One process of a shard. `on_entry` and `on_problem` receive each entry and each problem."""

    shard: Shard
    cluster: Cluster
    context: str | None
    meter: Meter
    on_entry: Callable[[Entry], None]
    on_problem: Callable[[str], None]
    _shown: tuple[StatusOutbox, Triggers | None, Deletions] | None = None
    _informers: dict[str, Informer] = field(default_factory=dict)
    _templates: LateWatch = field(init=False)

    def __post_init__(self) -> None:
        from rollout.kube.kinds import (
            DEPLOYMENT,
            METRIC_TEMPLATE,
            ROLLOUT_PLAN,
            ROLLOUT_TRIGGER,
        )
        from rollout.kube.watches import LateWatch

        more = [ROLLOUT_TRIGGER, DEPLOYMENT] if self.shard.triggers else []
        self._informers = {kind.plural: self._make_informer(kind) for kind in [ROLLOUT_PLAN, *more]}
        self._templates = LateWatch(partial(self._make_informer, METRIC_TEMPLATE))

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Run the informers and the status writer in the background while the context is open."""
        for informer in self._informers.values():
            informer.start()
        try:
            with run_in_background("show", self._show, _SHOW, self.on_problem):
                yield
        finally:
            self._templates.stop()
            for informer in self._informers.values():
                informer.stop()

    @contextmanager
    def term(
        self, fence: Callable[[], None] = lambda: None, elected: Elected | None = None
    ) -> Iterator[Tick]:
        """Open a controller for the journal and yield its tick.

        An elected leader takes the journal over from the previous one, which may still hold it.
        """
        from rollout.kube.templates import TemplateReader
        from rollout.operate.deletions import Deletions
        from rollout.operate.reconciler import Reconciler
        from rollout.operate.status.outbox import StatusOutbox
        from rollout.operate.triggers.trigger import Triggers

        plans, *more = self._informers.values()  # in the order of __post_init__
        board, triggers = StatusOutbox(), Triggers(*more) if more else None
        shard, instead = self.shard, elected is not None
        with open_controller(
            shard.journal,
            self.context,
            fence,
            self.on_problem,
            instead=instead,
            watches=True,
            key_file=shard.key_file,
            settings=shard.settings,
            reach=shard.reach,
            authority=shard.authority,
        ) as controller:
            self.meter.begin()
            namespace = self.shard.namespace
            deletions, templates = Deletions(), TemplateReader(self._templates)
            reconciler = Reconciler(
                controller,
                plans,
                board,
                namespace,
                self.on_entry,
                triggers,
                deletions,
                templates,
            )
            if elected is not None:
                controller.note(elected)
            self._shown = board, triggers, deletions
            try:
                tick, states = reconciler.tick, controller.states
                yield self.meter.around(
                    tick, states, lambda: controller.head, controller.count_attempts
                )
            finally:
                self._shown = None

    def duty(self, candidate: LeaderElector, reach: JournalHealth | None = None) -> LeaderLoop:
        """Return the loop of a replica that decides only while it leads.

        It reports to `reach` whether the journal could be used.
        """
        from rollout.leader.loop import LeaderLoop

        now = clock.SystemClock().now

        def begin(term: int) -> AbstractContextManager[Tick]:
            elected = Elected(rollout="", at=now(), controller=candidate.identity, term=term)
            return self.term(loop.check, elected)

        def append(fact: Fact) -> object:
            return record(self.shard.journal, fact)

        reports = (reach.tick_succeeded, reach.failed) if reach else ()
        loop = LeaderLoop(candidate, begin, self.meter.stand_by, append, now, *reports)
        return loop

    def reach(self, ask: Callable[[], object]) -> JournalHealth:
        """Return the health check of the journal.

        A replica that cannot use the journal for the Lease's duration gives the Lease up.
        """
        from rollout.leader.journal_health import JournalHealth

        health = JournalHealth(ask, clock.timer, self.shard.duration)
        self.meter.usable = health.usable
        return health

    def candidate(self, fit: Callable[[], bool] = lambda: True) -> LeaderElector:
        """Return this process as a candidate for the shard's Lease. Raises InputError.

        The identity is unique per process start: after a restart we must not take the old process's
        Lease for ours.
        """
        from rollout.leader.election import LeaderElector, LeaseTimes

        identity = f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(3)}"
        clocks = clock.timer, clock.SystemClock().now
        times = LeaseTimes(self.shard.duration)
        return LeaderElector(self.cluster, *self.shard.place, identity, *clocks, times, fit)

    def _make_informer(self, kind: Kind) -> Informer:
        from rollout.kube.informer import Informer

        return Informer(self.cluster.api, kind, self.shard.namespace, self.on_problem)

    def _show(self) -> None:
        current = self._shown  # read once: the tick's thread may set it to None meanwhile
        if current is None:
            return
        board, triggers, deletions = current
        now = clock.SystemClock().now()
        works: list[Callable[[Cluster, float], None]] = [deletions.check, board.publish]
        works += [triggers.publish] if triggers is not None else []
        problem: SurefootError | None = None
        for work in works:
            try:
                work(self.cluster, now)
            except SurefootError as error:
                problem = error  # what one may not do, the next may
            except Exception as error:  # noqa: BLE001 - a status never stops deciding
                self.on_problem(f"a status cannot be shown: {error!r}")
        if problem is not None:
            raise problem
