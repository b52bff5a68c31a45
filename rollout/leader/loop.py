"""A replica's ticks: it decides while it leads and stands by while it does not."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field
from typing import Protocol

from rollout.decide.record.facts import Fact, Refused
from rollout.errors import JournalBusyError, JournalError, JournalMovedError, StaleError

Tick = Callable[[], None]


class Leading(Protocol):
    """Whether this replica leads, and in which term (0 while another one does)."""

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
    """One tick after the other, each as leader or as standby.

    `begin` opens a term: the journal is taken and read anew; its tick is the leader's. `record`
    appends beside whoever decides. A leader that cannot renew its Lease waits, with all it knows;
    it goes on where it was unless another one took over. `succeeded` is told of a leader's ticks,
    `failed` of those that ended at a journal which cannot be read or takes no entry.
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
    _unsaid: list[Fact] = field(default_factory=list)

    def tick(self) -> None:
        """Raises SurefootError; the next tick tries again."""
        term = self.candidate.term
        if self._term and term != self._term:
            self.end()
        if not self.candidate.leads:
            self.stand_by()
            self._tell()
            return
        try:
            self._lead(term)
        except (JournalBusyError, JournalMovedError):
            raise
        except JournalError:
            self.failed()
            raise
        self.succeeded()

    def _lead(self, term: int) -> None:
        if self._tick is None:
            self._tick, self._term = self._stack.enter_context(self.begin(term)), term
        self._tell()
        try:
            self._tick()
        except JournalBusyError as error:
            self._stale(error)
            raise

    def end(self) -> None:
        """Give the journal back, if it is held."""
        self._tick, self._term = None, 0
        self._stack.close()

    def check(self) -> None:
        """The Lease's part of the fence before each write. Raises StaleError."""
        if not self.candidate.leads or self.candidate.term != self._term:
            other = self.candidate.leader
            said = "" if other == self.candidate.identity else f", {other or 'nobody'} leads"
            raise StaleError(f"the Lease of term {self._term} ran out{said}")

    def _stale(self, error: JournalBusyError) -> None:
        self._unsaid.append(
            Refused(
                rollout=getattr(error, "rollout", ""),
                at=self.now(),
                controller=self.candidate.identity,
                term=self._term,
                problem=str(error),
            )
        )
        self.end()

    def _tell(self) -> None:
        """Log what was refused, in the journal of whoever decides now."""
        while self._unsaid:
            self.record(self._unsaid[0])
            self._unsaid.pop(0)
