"""Assembles `surefoot operate`: a cluster's plans, one controller, and optionally a Lease."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from typing import TYPE_CHECKING

from rollout.errors import ClusterError
from rollout.wire.background import never, run_in_background
from rollout.wire.replica import Replica
from rollout.wire.shard import Shard

if TYPE_CHECKING:
    from rollout.leader.election import LeaderElector
    from rollout.leader.loop import Tick
    from rollout.metrics.meter import Meter
    from rollout.ports import Entry
    from rollout.schedule import Pacer

_TICK = 0.5  # seconds


@contextmanager
def operator(
    shard: Shard,
    context: str | None,
    on_entry: Callable[[Entry], None],
    on_problem: Callable[[str], None],
    *,
    meter: Meter,
) -> Iterator[Pacer]:
    """Return endless ticks with the plans of a cluster.

    Statuses are written by a background thread. Raises InputError without a cluster,
    JournalBusyError, JournalError.
    """
    from rollout.kube.client import connect
    from rollout.schedule import Pacer

    _ = shard.settings.accesses  # raises InputError for bad files, before we connect to a cluster
    if shard.lease is not None:
        _ = shard.place  # and for bad options
    replica = Replica(shard, connect(context), context, meter, on_entry, on_problem)
    with ExitStack() as stack:
        if shard.lease is None:
            tick = stack.enter_context(replica.term())
        else:
            tick = stack.enter_context(_compete(replica))
        stack.enter_context(replica.watching())
        yield Pacer(tick, never, _TICK, on_problem)


@contextmanager
def _compete(replica: Replica) -> Iterator[Tick]:
    """Run leader election in the background and yield the tick of leader or standby.

    At the end the journal is released first and the Lease last: the next leader finds the journal
    free.
    """
    from rollout.journal.sql.store import open_journal

    problem = replica.on_problem
    with ExitStack() as stack:
        # Open the journal now, and probe it from now on: a replica that could not take over must
        # not pose as a standby.
        journal = stack.enter_context(closing(open_journal(replica.shard.journal)))
        health = replica.reach(journal.check_writable)
        candidate = replica.candidate(health.is_healthy)
        loop, retry = replica.duty(candidate, health), candidate.times.retry
        stack.callback(_release, candidate)
        stack.enter_context(run_in_background("reach", health.probe, retry, problem))
        stack.enter_context(
            run_in_background("campaign", candidate.try_acquire_or_renew, retry, problem)
        )
        # The stack unwinds in reverse: end the term, stop the threads, release the Lease.
        stack.callback(loop.end)
        yield loop.tick


def _release(candidate: LeaderElector) -> None:
    with suppress(ClusterError):  # on failure the Lease expires by itself
        candidate.release()
