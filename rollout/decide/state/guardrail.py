"""One guardrail's part of a rollout's state: its newest samples and its evidence."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property

from analysis import sample_ratio
from analysis.counting.counts import Counts
from analysis.counting.cursor import Arm, Cursor
from analysis.dispersion.dispersion import Dispersion
from analysis.rates.late_starts import log_harm
from analysis.verdict.sequential_test import Logs, SequentialTest
from analysis.verdict.superiority_test import GoalTest
from rollout.decide.record.tally import LookTally, Times
from rollout.decide.state.traffic_tally import TrafficTally


@dataclass(frozen=True)
class OffScale:
    """Units beyond the scale since the rollout began, of all units in looks of both versions."""

    canary: int = 0
    stable: int = 0
    canary_units: int = 0
    stable_units: int = 0
    capital: tuple[float, ...] = ()  # of the test that both versions have the same share of them


@dataclass(frozen=True)
class UnlabelledUnits:
    """Units of unknown outcome since the rollout began, of all units."""

    canary: int = 0
    stable: int = 0
    canary_units: int = 0
    stable_units: int = 0


@dataclass(frozen=True)
class JudgeChange:
    """Another version of the judge scores: since when (unix time), how many there were before.

    `before` is the evidence of what those scored.
    """

    at: float
    number: int
    before: Logs


@dataclass(frozen=True)
class GuardrailState:
    """One guardrail's newest samples and what they are evidence of (`test`).

    `cursor` has the samples where the journal holds raw ones, `tally` their times where the
    observer has counted them.
    """

    test: SequentialTest
    cursor: Cursor = field(default_factory=Cursor)
    tally: LookTally | None = None
    problem: str = ""
    problem_since: float | None = None  # since when the samples or the statistic have a problem
    # Canary exposures that stable's imply since the canary's last one. Many without a single
    # canary exposure mean that the guardrail hears from one version only.
    expected: float = 0.0
    last_canary_sample_at: float | None = None  # when the canary's last exposure was scraped
    # Stable's looks before a switch, not yet compared with a look of the canary (plan: `before`).
    baseline_looks: tuple[Counts, ...] = ()
    baseline_exhausted_at: float | None = None  # when the canary first found no such look left
    # A share of the bets on harm starts only with the holdback. `late_test` makes them;
    # it is created once, so that a second holdback after a pause cannot restart them.
    has_late_start: bool = False
    late_test: SequentialTest | None = None
    off_scale: OffScale | None = None
    unlabelled: UnlabelledUnits | None = None  # None while every unit had its label
    # Capital before any traffic, of the two tests of shares below.
    share_start: tuple[float, ...] = sample_ratio.start(is_late=False)
    label_shares: tuple[float, ...] = ()  # capital of the test that both are labelled as often
    labels: TrafficTally = field(default_factory=TrafficTally)
    goal: GoalTest | None = None  # whether the canary is better, where the plan asks
    judge: str = ""  # digest of the version of who scores, where a label tells it
    judged_anew: JudgeChange | None = None

    @cached_property
    def logs(self) -> Logs:
        """The evidence in logarithms; computed on first use, since many readers need none."""
        total = self.test.logs
        if self.has_late_start:
            late_harm = self.late_test.logs.harm if self.late_test else 0.0
            total = replace(total, harm=log_harm(total.harm, late_harm))
        if self.judged_anew is None:
            return total
        # The capital that was won before is staked on: a product of e-processes, one after the
        # other, is one.
        before = self.judged_anew.before
        return replace(total, harm=total.harm + before.harm, safe=total.safe + before.safe)

    def newest(self, arm: Arm) -> float | None:
        """Return the unix time of that arm's newest counted sample; None if it has none."""
        return self.cursor.newest(arm) if self.tally is None else self.tally.newest(arm)

    @property
    def newest_of_all(self) -> float | None:
        """The unix time of the newest counted sample of either arm; None without one."""
        times = [at for at in (self.newest("canary"), self.newest("stable")) if at is not None]
        return max(times, default=None)

    def last_times(self, arm: Arm) -> Times:
        """Return the times of the last counted samples of that arm's series, oldest first."""
        if self.tally is not None:
            return self.tally.last_times(arm)
        return tuple(sorted(self.cursor.times(arm).items()))

    def held_back(self) -> GuardrailState:
        """Return this guardrail with its late bets started; bets that already run go on."""
        if not self.has_late_start or self.late_test is not None:
            return self
        return replace(self, late_test=self.test.without_harm_bets())

    def with_dispersion(self, dispersion: Dispersion) -> GuardrailState:
        """Return this guardrail with its evidence tempered, and without late bets.

        Only tests that take requests as independent have late bets.
        """
        return replace(
            self,
            test=self.test.with_dispersion(dispersion),
            has_late_start=False,
            goal=self.goal and self.goal.with_dispersion(dispersion),
        )
