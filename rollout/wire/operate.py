"""What `surefoot operate` plugs together: plans of a cluster, one controller, perhaps a Lease."""

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
    """Ticks with the plans of a cluster, for ever; what they show is written beside the ticks.

    Raises InputError without a cluster, JournalBusyError, JournalError.
    """
    from rollout.kube.client import connect
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
        yield Pacer(tick, never, _TICK, on_problem)


@contextmanager
def _electing(replica: Replica) -> Iterator[Tick]:
    """Campaign beside the ticks; at the end first the journal is given back, then the Lease."""
    from rollout.journal.sql.store import open_journal

    problem = replica.on_problem
    with ExitStack() as stack:
        # A standby that could not take over should not seem to be one, now and later.
        journal = stack.enter_context(closing(open_journal(replica.shard.journal)))
        reach = replica.reach(journal.check_takes)
        candidate = replica.candidate(reach.holds)
        duty, retry = replica.duty(candidate, reach), candidate.times.retry
        stack.callback(_release, candidate)
        stack.enter_context(run_in_background("reach", reach.probe, retry, problem))
        stack.enter_context(run_in_background("campaign", candidate.campaign, retry, problem))
        stack.callback(duty.end)
        yield duty.tick


def _release(candidate: LeaderElector) -> None:
    with suppress(ClusterError):  # then the Lease runs out by itself
        candidate.release()
