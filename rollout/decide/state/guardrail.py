"""One guardrail's part of a rollout's state: what was last seen, and what it is evidence of."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property

from analysis.counting.counts import Counts
from analysis.counting.cursor import Cursor
from analysis.verdict.guardrail import Capital, Logs, Rule, logs
from analysis.verdict.late_start import afresh, log_harm


@dataclass(frozen=True)
class GuardrailState:
    """One guardrail's part of the state: what was last seen, and what it is evidence of."""

    rule: Rule
    capital: Capital
    cursor: Cursor = field(default_factory=Cursor)
    problem: str = ""
    troubled_at: float | None = None
    # Canary exposures that stable's own imply since the canary's last one: many are one-armed.
    expected: float = 0.0
    heard_at: float | None = None  # when the last one was scraped
    # Looks of stable before a switch that no look of the canary was compared with yet (`before`).
    kept: tuple[Counts, ...] = ()
    used_up_at: float | None = None
    # A part of the bets of harm waits for the holdback, and begins with it, once.
    waits: bool = False
    later: Capital | None = None

    @cached_property
    def logs(self) -> Logs:
        """What the capital amounts to: worked out once, by whoever asks first."""
        known = logs(self.rule, self.capital)
        if not self.waits:
            return known
        since = logs(self.rule, self.later).harm if self.later else 0.0
        return replace(known, harm=log_harm(known.harm, since))

    def held_back(self) -> GuardrailState:
        """With what waited at work; what is at work already goes on."""
        if not self.waits or self.later is not None:
            return self
        return replace(self, later=afresh(self.capital))
