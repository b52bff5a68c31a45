"""The meter of one controller: told of entries and ticks by one thread, read by others."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain

from rollout.decide.record.facts import Decided, HookAnswered, Refused, RouteFailed
from rollout.decide.state.rollout import RolloutState
from rollout.metrics.families import (
    Sample,
    Ticks,
    Told,
    exported,
    of_blindness,
    of_journal,
    of_process,
    of_rollout,
)
from rollout.metrics.names import code_of
from rollout.metrics.page import Line, line, page
from rollout.ports import Entry

Shown = tuple[
    RolloutState, Sequence[Line]
]  # a state, and what of its rollout does not hang on the time

SILENT = 60.0
"""Seconds without a tick after which a controller is not alive; ticks come every second."""


@dataclass
class Meter:
    """Counts beside the ticks; `now` is the wall clock, `timer` never goes back (seconds).

    `usable` says whether the journal answers and takes entries, where there are several replicas.

    Nothing of the journal is shown before the first tick: a half-read one would look like a reset.
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
    _told: Told | None = None
    _lines: Mapping[str, Shown] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self._tried = self._succeeded = self.timer()

    def note(self, entry: Entry) -> None:
        """Count an entry; every one of the journal must come by, from the first on."""
        fact = entry.fact
        if isinstance(fact, Decided):
            self._decisions[fact.action, code_of(fact.reasons)] += 1
        self._route_failures += isinstance(fact, RouteFailed)
        self._refusals += isinstance(fact, Refused)
        self._hook_failures += isinstance(fact, HookAnswered) and bool(fact.problem)

    def begin(self) -> None:
        """Count from nothing: the journal is about to be read from its first entry."""
        with self._lock:
            self._decisions, self._route_failures, self._refusals = Counter(), 0, 0
            self._hook_failures = 0
            self._told, self._stands_by = None, False

    def stand_by(self) -> None:
        """A tick of a replica that does not lead: healthy, with nothing to tell of rollouts."""
        with self._lock:
            self._told, self._stands_by = None, True
            self._tried = self._succeeded = self.timer()

    @property
    def stands_by(self) -> bool:
        """Whether another replica leads."""
        return self._stands_by

    def around(
        self, tick: Callable[[], None], states: Mapping[str, RolloutState], head: Callable[[], int]
    ) -> Callable[[], None]:
        """The tick, timed; afterwards its outcome is what readers see."""

        def timed() -> None:
            begun, failed = self.timer(), True
            try:
                tick()
                failed = False
            finally:
                self._end(begun, failed=failed)
                if not failed:
                    self._publish(states, head())

        return timed

    def samples(self) -> Iterator[Sample]:
        """What is exported of the process and of the journal now."""
        with self._lock:
            ticks, told, age = self._ticks, self._told, self.timer() - self._succeeded
        yield from of_process(self.version, ticks, age)
        yield "surefoot_leader", {}, float(not self._stands_by)
        yield "surefoot_journal_usable", {}, float(self.usable())
        if told is not None:
            yield from of_journal(told)

    def rollouts(self) -> str:
        """What is exported of every rollout now, as text: most of it is as it was last time."""
        with self._lock:
            told, before = self._told, self._lines
        if told is None:
            return ""
        lines = {name: _lines(name, state, before) for name, state in sorted(told.states.items())}
        with self._lock:
            self._lines = lines
        now = self.now()
        blind = (of_blindness(name, state, now) for name, state in sorted(told.states.items()))
        kept = chain.from_iterable(each for _, each in lines.values())
        return page(chain(kept, map(line, chain.from_iterable(blind))))

    @property
    def alive(self) -> bool:
        """Whether ticks come, be it with problems: starting anew would cure none of those."""
        return self.timer() - self._tried < SILENT

    @property
    def ready(self) -> bool:
        """Whether the journal was read, or another replica leads, and ticks succeed."""
        known = self._told is not None or self._stands_by
        return known and self.timer() - self._succeeded < SILENT

    def _end(self, begun: float, *, failed: bool) -> None:
        with self._lock:
            self._tried = self.timer()
            self._ticks = self._ticks.another(self._tried - begun, failed=failed)

    def _publish(self, states: Mapping[str, RolloutState], entries: int) -> None:
        now = self.now()
        kept = {name: state for name, state in states.items() if exported(state, now)}
        told = Told(
            kept,
            dict(self._decisions),
            self._route_failures,
            entries,
            self._refusals,
            self._hook_failures,
        )
        with self._lock:
            self._told, self._succeeded, self._stands_by = told, self._tried, False


def _lines(rollout: str, state: RolloutState, before: Mapping[str, Shown]) -> Shown:
    """A rollout's lines: those of the last scrape, if nothing came to be known of it since."""
    known = before.get(rollout)
    if known is not None and known[0] is state:
        return known
    return state, [line(sample) for sample in of_rollout(rollout, state)]
