"""One guardrail's part of a rollout's state: its newest samples and its evidence."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property

from analysis.counting.counts import Counts
from analysis.counting.cursor import Cursor
from analysis.verdict.guardrail import Capital, Logs, Rule, logs
from analysis.verdict.late_start import afresh, log_harm


@dataclass(frozen=True)
class GuardrailState:
    """One guardrail's newest samples (`cursor`) and what they are evidence of (`capital`)."""

    rule: Rule
    capital: Capital
    cursor: Cursor = field(default_factory=Cursor)
    problem: str = ""
    problem_since: float | None = None  # since when the samples or the statistic have a problem
    # Canary exposures that stable's imply since the canary's last one. Many without a single
    # canary exposure mean that the guardrail hears from one version only.
    expected: float = 0.0
    last_canary_sample_at: float | None = None  # when the canary's last exposure was scraped
    # Stable's looks before a switch, not yet compared with a look of the canary (plan: `before`).
    baseline_looks: tuple[Counts, ...] = ()
    baseline_exhausted_at: float | None = None  # when the canary first found no such look left
    # A share of the bets on harm starts only with the holdback. `later` is their capital; it is
    # created once, so that a second holdback after a pause cannot restart them.
    waits: bool = False
    later: Capital | None = None

    @cached_property
    def logs(self) -> Logs:
        """The evidence in logarithms; computed on first use, since many readers need none."""
        total = logs(self.rule, self.capital)
        if not self.waits:
            return total
        late_harm = logs(self.rule, self.later).harm if self.later else 0.0
        return replace(total, harm=log_harm(total.harm, late_harm))

    def held_back(self) -> GuardrailState:
        """Return this guardrail with its late bets started; bets that already run go on."""
        if not self.waits or self.later is not None:
            return self
        return replace(self, later=afresh(self.capital))
