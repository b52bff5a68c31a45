"""Counts one controller's entries and ticks, and hands samples to the metrics server.

How it works: the tick's thread counts and, after each successful tick, publishes an immutable
snapshot. Scrapes run in other threads and read only that snapshot, so they never see a tick half
done. The lock guards the few fields that both sides touch, and is never held while computing.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain

from rollout.decide.record.facts import Decided, HookAnswered, Refused
from rollout.decide.record.route_facts import RouteFailed
from rollout.decide.state.rollout import RolloutState
from rollout.metrics.families import (
    Sample,
    Ticks,
    Told,
    exported,
    of_attempts,
    of_blindness,
    of_journal,
    of_process,
    of_rollout,
)
from rollout.metrics.names import code_of
from rollout.metrics.page import Line, line, page
from rollout.ports import Entry

# A state and its rendered lines: those that depend on the state alone, not on the time.
CachedLines = tuple[RolloutState, Sequence[Line]]

SILENT = 60.0
"""Seconds without a tick after which a controller counts as dead; ticks come every second."""


@dataclass
class Meter:
    """Counts entries and ticks. `now` is the wall clock, `timer` a monotonic clock in seconds.

    `usable` tells whether the journal answers and takes entries, where there are several replicas.
    Counts of the journal are not exported before the first successful tick: those of a journal that
    is half read would look like a counter reset.
    """

    version: str
    now: Callable[[], float]
    timer: Callable[[], float]
    usable: Callable[[], bool] = lambda: True
    _decisions: Counter[tuple[str, str]] = field(default_factory=Counter)
    _route_failures: int = 0
    _refusals: int = 0
    _hook_failures: int = 0
    _stands_by: bool = False
    _ticks: Ticks = field(default_factory=Ticks)
    _snapshot: Told | None = None  # None: no tick yet, or another replica leads
    _lines: Mapping[str, CachedLines] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        # When the last tick ended, and when the last successful one did.
        self._tried_at = self._succeeded_at = self.timer()

    def note(self, entry: Entry) -> None:
        """Count an entry. The caller passes every entry of the journal, from the first."""
        fact = entry.fact
        if isinstance(fact, Decided):
            self._decisions[fact.action, code_of(fact.reasons)] += 1
        self._route_failures += isinstance(fact, RouteFailed)
        self._refusals += isinstance(fact, Refused)
        self._hook_failures += isinstance(fact, HookAnswered) and bool(fact.problem)

    def begin(self) -> None:
        """Reset the journal's counts, because it is about to be read from its first entry."""
        with self._lock:
            self._decisions, self._route_failures, self._refusals = Counter(), 0, 0
            self._hook_failures = 0
            self._snapshot, self._stands_by = None, False

    def stand_by(self) -> None:
        """Count a standby's tick: the replica is healthy and exports no rollouts."""
        with self._lock:
            self._snapshot, self._stands_by = None, True
            self._tried_at = self._succeeded_at = self.timer()

    @property
    def stands_by(self) -> bool:
        """Tell whether another replica leads."""
        return self._stands_by

    def around(
        self,
        tick: Callable[[], None],
        states: Mapping[str, RolloutState],
        head: Callable[[], int],
        count_attempts: Callable[[str], int],
    ) -> Callable[[], None]:
        """Wrap a tick: time it, and publish a snapshot after it succeeds.

        `count_attempts` returns a rollout's attempts in a row that the mesh did not take: those
        that failed again for the same reason are not in the journal.
        """

        def timed() -> None:
            began_at, failed = self.timer(), True
            try:
                tick()
                failed = False
            finally:
                self._count_tick(began_at, failed=failed)
                if not failed:
                    self._publish(states, head(), count_attempts)

        return timed

    def samples(self) -> Iterator[Sample]:
        """Yield the current samples of the process and of the journal."""
        with self._lock:
            ticks, snapshot = self._ticks, self._snapshot
            age = self.timer() - self._succeeded_at
        yield from of_process(self.version, ticks, age)
        yield "surefoot_leader", {}, float(not self._stands_by)
        yield "surefoot_journal_usable", {}, float(self.usable())
        if snapshot is not None:
            yield from of_journal(snapshot)

    def rollouts(self) -> str:
        """Render the current series of every rollout.

        Lines of a rollout whose state did not change are taken from the previous scrape.
        """
        with self._lock:
            snapshot, previous = self._snapshot, self._lines
        if snapshot is None:
            return ""
        states = sorted(snapshot.states.items())
        lines = {name: _render(name, state, previous) for name, state in states}
        with self._lock:
            self._lines = lines
        now = self.now()
        blind = (of_blindness(name, state, now) for name, state in states)
        attempts = (of_attempts(name, state, snapshot.attempts) for name, state in states)
        timeless = chain.from_iterable(cached for _, cached in lines.values())
        return page(chain(timeless, map(line, chain.from_iterable(chain(attempts, blind)))))

    @property
    def alive(self) -> bool:
        """Tell whether ticks run, even if they fail: a restart would not cure their problems."""
        return self.timer() - self._tried_at < SILENT

    @property
    def ready(self) -> bool:
        """Tell whether ticks succeed and the journal was read, or another replica leads."""
        has_started = self._snapshot is not None or self._stands_by
        return has_started and self.timer() - self._succeeded_at < SILENT

    def _count_tick(self, began_at: float, *, failed: bool) -> None:
        with self._lock:
            self._tried_at = self.timer()
            self._ticks = self._ticks.another(self._tried_at - began_at, failed=failed)

    def _publish(
        self,
        states: Mapping[str, RolloutState],
        entries: int,
        count_attempts: Callable[[str], int],
    ) -> None:
        now = self.now()
        recent = {name: state for name, state in states.items() if exported(state, now)}
        snapshot = Told(
            recent,
            dict(self._decisions),
            self._route_failures,
            entries,
            self._refusals,
            self._hook_failures,
            {name: count_attempts(name) for name in recent},
        )
        with self._lock:
            self._snapshot, self._stands_by = snapshot, False
            self._succeeded_at = self._tried_at


def _render(rollout: str, state: RolloutState, previous: Mapping[str, CachedLines]) -> CachedLines:
    """Render a rollout's lines, or return those of the last scrape if its state is the same."""
    cached = previous.get(rollout)
    # Identity suffices: states are immutable, so a change makes a new object.
    if cached is not None and cached[0] is state:
        return cached
    return state, [line(sample) for sample in of_rollout(rollout, state)]
