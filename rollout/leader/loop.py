"""Runs a replica's ticks: it decides while it leads and stands by while it does not."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field
from typing import Protocol

from rollout.decide.record.facts import Fact, Refused
from rollout.errors import JournalBusyError, JournalError, JournalMovedError, StaleError

Tick = Callable[[], None]


class Leading(Protocol):
    """Whether this replica leads, and in which term (0 while another replica leads)."""

    @property
    def leads(self) -> bool: ...
    @property
    def term(self) -> int: ...
    @property
    def leader(self) -> str: ...
    @property
    def identity(self) -> str: ...


@dataclass
class LeaderLoop:
    """Runs each tick either as leader or as standby.

    `begin` starts a term: it locks the journal, reads it again, and returns the leader's tick.
    `record` appends a fact without the lock, while another replica may decide. A leader that cannot
    renew its Lease stands by but keeps its state: it goes on in the same term unless another
    replica took over. `succeeded` is called after each leader's tick, `failed` after each that
    ended because the journal cannot be read or takes no entry.
    """

    candidate: Leading
    begin: Callable[[int], AbstractContextManager[Tick]]
    stand_by: Callable[[], None]
    record: Callable[[Fact], object]
    now: Callable[[], float]
    succeeded: Callable[[], None] = lambda: None
    failed: Callable[[], None] = lambda: None
    _stack: ExitStack = field(default_factory=ExitStack)
    _term: int = 0
    _tick: Tick | None = None
    _unrecorded: list[Fact] = field(default_factory=list)

    def tick(self) -> None:
        """Run one tick. Raises SurefootError; the next tick tries again."""
        term = self.candidate.term
        if self._term and term != self._term:
            self.end()
        if not self.candidate.leads:
            self.stand_by()
            self._record_refusals()
            return
        try:
            self._lead(term)
        except (JournalBusyError, JournalMovedError):
            raise  # the journal works: another replica uses it
        except JournalError:
            self.failed()
            raise
        self.succeeded()

    def _lead(self, term: int) -> None:
        if self._tick is None:
            self._tick, self._term = self._stack.enter_context(self.begin(term)), term
        self._record_refusals()
        try:
            self._tick()
        except JournalBusyError as error:
            self._end_stale_term(error)
            raise

    def end(self) -> None:
        """End the term and release the journal, if this replica holds it."""
        self._tick, self._term = None, 0
        self._stack.close()

    def check(self) -> None:
        """Check before each write that the Lease is still ours. Raises StaleError."""
        if not self.candidate.leads or self.candidate.term != self._term:
            other = self.candidate.leader
            successor = (
                "" if other == self.candidate.identity else f", the leader is {other or 'nobody'}"
            )
            raise StaleError(f"the Lease of term {self._term} expired{successor}")

    def _end_stale_term(self, error: JournalBusyError) -> None:
        self._unrecorded.append(
            Refused(
                rollout=getattr(error, "rollout", ""),
                at=self.now(),
                controller=self.candidate.identity,
                term=self._term,
                problem=str(error),
            )
        )
        self.end()

    def _record_refusals(self) -> None:
        """Append our refused writes to the journal, which another replica may own by now."""
        while self._unrecorded:
            self.record(self._unrecorded[0])
            self._unrecorded.pop(0)  # only after it is recorded: `record` may raise
