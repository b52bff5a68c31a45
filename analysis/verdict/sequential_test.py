"""What every guardrail's sequential test can do: a margin with the evidence against it so far.

How it works: a test is a value. It holds its margin and its capital together, so the two cannot be
of different kinds, and each look returns a new test. `rate_test.RateTest` compares two shares of
bad units, `histogram_test.HistogramTest` two distributions. Which of them a guardrail needs is
decided once, when its rollout begins; whoever holds a test need not know its kind.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, Self

from analysis.counting.counts import Counts
from analysis.counting.per_pod import PodCounts
from analysis.dispersion.dispersion import Dispersion
from analysis.histograms.alternatives import HistogramTolerance
from analysis.verdict.readout import Readout


@dataclass(frozen=True)
class Logs:
    """The logs of a test's evidence of harm, of safety and of a crash (None: not watched for).

    `harm` is an e-process against "within the margin", 0 before any bet. `safe` is evidence against
    "worse than the margin allows", safe at log(1/beta); -inf while nothing can prove it.
    """

    harm: float
    safe: float
    crash: float | None


class SequentialTest(Protocol):
    """A guardrail's margin and the evidence so far; every change returns a new test."""

    @property
    def weighs_evidence(self) -> bool:
        """Whether it has a share of the joint evidence; what only counts is broken, or is not."""

    @property
    def is_shown_only(self) -> bool:
        """Whether it has no say in any decision: it is measured for people to see."""

    @property
    def finding(self) -> str:
        """What a verdict says where no evidence is weighed; empty where it is."""

    @property
    def is_alone(self) -> bool:
        """Whether it judges the canary by itself, whatever stable does."""

    @property
    def is_broken(self) -> bool:
        """Whether something happened that must not, whatever the evidence."""

    @property
    def dispersion(self) -> Dispersion | None:
        """How stable's pods differ; None assumes independent requests."""

    @property
    def tolerance(self) -> HistogramTolerance | None:
        """The tolerance that a histogram must prove; None for a rate."""

    @property
    def problem(self) -> str:
        """Why this metric can never be proven safe; empty if it can."""

    @property
    def canary_units(self) -> int:
        """The canary's units that were compared so far."""

    @property
    def stable_units(self) -> int:
        """Stable's units that were compared so far; 0 where the canary is judged alone."""

    @property
    def logs(self) -> Logs:
        """The logs of the evidence; they depend on margin and capital alone."""

    @property
    def log_rise(self) -> float:
        """The log of the evidence of the rise under way, were it not limited; 0 without a limit.

        It is `limit.log_rise`.
        """

    def learn(self, counts: Counts) -> Self:
        """Add only stable's counts to the past, before the canary's traffic counts."""

    def watch(self, counts: Counts) -> Self:
        """Run a warm-up look: learn stable's past, and watch rates for a crash.

        Raises EvidenceError for a histogram's counts of a rate.
        """

    def update(self, counts: Counts) -> Self:
        """Run a counted look: harm and safety bet on what precedes it, then the past grows.

        Raises EvidenceError for a histogram's counts of a rate.
        """

    def without_harm_bets(self) -> Self:
        """Reset the bets on harm, but retain what was learnt of stable."""

    def with_dispersion(self, dispersion: Dispersion) -> Self:
        """Temper all further evidence by the pods' dispersion."""

    def estimate_dispersion(self, past: PodCounts, pods_canary: int | None) -> Dispersion:
        """Estimate the metric's dispersion from stable's past, as `estimate.estimate` does.

        None for `pods_canary` means that pods are not known: totals tell (`estimate_totals`).
        Raises EvidenceError and ValueError as it does.
        """

    def excess_rate(self, alpha: float) -> float | None:
        """Compute the worst credible `risk_difference.excess_rate`; None for a histogram."""

    def read(self, log_harm: float, alpha: float, beta: float) -> Readout:
        """Compute the numbers for display; `log_harm` is the log of the weighted e-process."""

    def read_edges(self, alpha: float, beta: float) -> tuple[Readout, ...]:
        """Compute the numbers at every edge of a histogram; empty for a rate."""
