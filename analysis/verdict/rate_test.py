"""The sequential test of a rate: its margin and its capital in one value."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

from analysis.counting.counts import Counts
from analysis.counting.per_pod import PodCounts
from analysis.dispersion.dispersion import Dispersion
from analysis.dispersion.estimate import ExposureHistory, estimate
from analysis.dispersion.totals import estimate_totals
from analysis.fast_replace import replace
from analysis.rates import rate
from analysis.rates import risk_difference as contrasts
from analysis.rates.rate import RateCapital, RateMargin
from analysis.verdict.readout import Readout, harm_share, proof_share, read_contrast
from analysis.verdict.sequential_test import Logs


@dataclass(frozen=True)
class RateTest:
    """A `SequentialTest` of two shares of bad units; before any look its capital is empty.

    Whoever starts is slow at first and has not crashed: only failures are watched for a crash.
    """

    margin: RateMargin
    capital: RateCapital = field(default_factory=RateCapital)
    has_crash_watch: bool = True

    tolerance = None

    weighs_evidence = True
    is_shown_only = False
    finding = ""
    is_alone = False
    is_broken = False

    @property
    def dispersion(self) -> Dispersion | None:
        """How stable's pods differ; None assumes independent requests."""
        return self.margin.dispersion

    @property
    def problem(self) -> str:
        """Why no valid test exists under this dispersion; empty if one does."""
        return self.margin.dispersion.problem if self.margin.dispersion else ""

    @property
    def canary_units(self) -> int:
        """The canary's units that were compared so far."""
        return self.capital.contrast.e_c

    @property
    def stable_units(self) -> int:
        """Stable's units that were compared so far."""
        return self.capital.contrast.e_s

    @cached_property
    def logs(self) -> Logs:
        """The logs of `rate.logs` and of `risk_difference.log_safe`."""
        harm, crash = rate.logs(self.margin, self.capital)
        safe = contrasts.log_safe(self.capital.contrast, self.margin.absolute)
        return Logs(harm, safe, crash if self.has_crash_watch else None)

    @property
    def log_rise(self) -> float:
        """The log of the evidence of the rise under way, see `rate.log_rise`."""
        return rate.log_rise(self.margin, self.capital)

    def learn(self, counts: Counts) -> RateTest:
        """Add only stable's counts to the past, see `rate.learn`."""
        return replace(self, capital=rate.learn(self.capital, counts))

    def watch(self, counts: Counts) -> RateTest:
        """Run a warm-up look, see `rate.watch`. Raises EvidenceError for a histogram's counts."""
        if not self.has_crash_watch:
            return self.learn(counts)
        return replace(self, capital=rate.watch(self.margin, self.capital, counts))

    def update(self, counts: Counts) -> RateTest:
        """Run a counted look, see `rate.update`. Raises EvidenceError for a histogram's counts."""
        return replace(self, capital=rate.update(self.margin, self.capital, counts))

    def without_harm_bets(self) -> RateTest:
        """Reset the bets on harm, but retain what was learnt of stable."""
        fresh = RateCapital()
        bets = replace(self.capital, harm=fresh.harm, collapsed=fresh.collapsed)
        return replace(self, capital=bets)

    def with_dispersion(self, dispersion: Dispersion) -> RateTest:
        """Temper all further evidence by the pods' dispersion."""
        return replace(self, margin=replace(self.margin, dispersion=dispersion))

    def estimate_dispersion(self, past: PodCounts, pods_canary: int | None) -> Dispersion:
        """Estimate the bad units' dispersion. Raises as `estimate.estimate` does."""
        if pods_canary is None:
            return estimate_totals(past.exposures.sum(axis=1), past.counts[..., 1].sum(axis=1))
        return estimate(ExposureHistory(past.exposures, past.counts[..., 1]), pods_canary)

    def excess_rate(self, alpha: float) -> float:
        """Compute the worst credible excess of bad units per canary request, 0 to 1.

        The excess is over ratio * p_stable; it is the excess bound at level alpha, over the
        canary's requests, see `risk_difference.excess_rate`; 1 without data.
        """
        return contrasts.excess_rate(self.capital.contrast, alpha)

    def read(self, log_harm: float, alpha: float, beta: float) -> Readout:
        """Compute the numbers for display; `log_harm` is the log of the weighted e-process."""
        plain = Readout(
            harm=harm_share(log_harm, alpha),
            safe=proof_share(self.logs.safe, beta),
            words="share of bad units",
        )
        return read_contrast(plain, self.capital.contrast, self.margin.absolute, alpha, beta)

    def read_edges(self, alpha: float, beta: float) -> tuple[Readout, ...]:  # noqa: ARG002  # the same signature as a histogram's
        """Return nothing, because a rate has no edges."""
        return ()
