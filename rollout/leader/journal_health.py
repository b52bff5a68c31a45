"""Whether a replica can use its journal: who cannot read or write it decides nothing, so leads not.

Reading is asked for. That entries are refused shows when one is written, by a full disk, say; then
nobody knows when it ends but who tries, so a replica that gave up tries again after a rest.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from rollout.backoff import backoff
from rollout.errors import JournalError

_ASK_AFTER = 3  # questions within the patience, where nothing else has an answer
_LONGEST = 4  # times the patience: the longest rest between two attempts to lead


@dataclass
class JournalHealth:
    """`ask` is a question to the journal on a line of its own; raises JournalError.

    A tick that succeeds is an answer too, so a leader in order costs no question. What hangs is no
    answer, and neither is a tick that takes long: then the question is what tells the two apart.
    `timer` never goes back, `patience` is how long no answer, or no entry, is borne (seconds).
    """

    ask: Callable[[], object]
    timer: Callable[[], float]
    patience: float
    _answered: float = field(init=False)
    _failing: float | None = None  # since when a leader's ticks have failed
    _attempts: int = 0  # to lead, without a tick that succeeded

    def __post_init__(self) -> None:
        self._answered = self.timer()

    def heard(self) -> None:
        """A leader's tick has succeeded just now."""
        self._answered, self._failing, self._attempts = self.timer(), None, 0

    def failed(self) -> None:
        """A leader's tick met a journal that refused what it was asked for."""
        if self._failing is None or self._for >= self.patience + self._rest:
            self._failing = self.timer()
            self._attempts += 1

    def probe(self) -> None:
        """Ask, unless it has answered lately. Raises JournalError, also in a rest."""
        if self._silence >= self.patience / _ASK_AFTER:
            self.ask()
            self._answered = self.timer()
        if self._rests:
            raise JournalError(
                f"nothing could be recorded for {self.patience:g} s: "
                f"the Lease is left to others for {self._rest:g} s"
            )

    def holds(self) -> bool:
        """Whether it has answered within the patience, also while a question hangs; no rest is due.

        A leader whose ticks fail is borne for the patience, and rests longer each time.
        """
        return self._silence < self.patience and not self._rests

    def usable(self) -> bool:
        """Whether it answers and, as far as that is known, takes entries."""
        tried = self._failing is None or (self._attempts == 1 and self._for < self.patience)
        return self._silence < self.patience and tried

    @property
    def _silence(self) -> float:
        return self.timer() - self._answered

    @property
    def _for(self) -> float:
        """Seconds since the first tick of this attempt failed; none does: 0."""
        return 0.0 if self._failing is None else self.timer() - self._failing

    @property
    def _rest(self) -> float:
        return backoff(self._attempts, self.patience, _LONGEST * self.patience)

    @property
    def _rests(self) -> bool:
        return self.patience <= self._for < self.patience + self._rest
