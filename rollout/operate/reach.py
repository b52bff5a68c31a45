"""Whether a replica's journal answers: who cannot reach it decides nothing, and should not lead."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

_ASK_AFTER = 3  # questions within the patience, where nothing else has an answer


@dataclass
class Reach:
    """`ask` is a question to the journal on a line of its own; raises JournalError.

    A tick that succeeds is an answer too, so a leader in order costs no question. What hangs is no
    answer, and neither is a tick that takes long: then the question is what tells the two apart.
    `timer` never goes back, `patience` is how long no answer is borne (seconds).
    """

    ask: Callable[[], object]
    timer: Callable[[], float]
    patience: float
    _heard: float = field(init=False)

    def __post_init__(self) -> None:
        self.heard()

    def heard(self) -> None:
        """The journal has answered just now."""
        self._heard = self.timer()

    def probe(self) -> None:
        """Ask, unless it has answered lately. Raises JournalError."""
        if self._silence >= self.patience / _ASK_AFTER:
            self.ask()
            self.heard()

    def holds(self) -> bool:
        """Whether it has answered within the patience; also while a question hangs."""
        return self._silence < self.patience

    @property
    def _silence(self) -> float:
        return self.timer() - self._heard
