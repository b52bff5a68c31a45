"""The sequential test of a histogram: its tolerance and its capital in one value."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import cached_property

from analysis.counting.counts import Counts
from analysis.counting.per_pod import PodCounts
from analysis.dispersion.dispersion import Dispersion
from analysis.dispersion.histogram import estimate_shape, estimate_shape_totals
from analysis.fast_replace import replace
from analysis.histograms import histogram
from analysis.histograms.alternatives import HistogramTolerance
from analysis.histograms.shape_capital import ShapeCapital
from analysis.rates import risk_difference as contrasts
from analysis.verdict.readout import Readout, harm_share, proof_share, read_contrast
from analysis.verdict.sequential_test import Logs


@dataclass(frozen=True)
class HistogramTest:
    """A `SequentialTest` of two distributions; before any look its capital is empty."""

    tolerance: HistogramTolerance
    capital: ShapeCapital = field(default_factory=ShapeCapital)

    weighs_evidence = True
    is_shown_only = False
    finding = ""
    is_alone = False
    is_broken = False

    @property
    def dispersion(self) -> Dispersion | None:
        """How stable's pods differ; None assumes independent requests."""
        return self.tolerance.dispersion

    @property
    def problem(self) -> str:
        """Why nothing can be proven, by the dispersion or by the buckets; empty if it can."""
        invalid = self.tolerance.dispersion.problem if self.tolerance.dispersion else ""
        return invalid or self.capital.problem

    @property
    def log_rise(self) -> float:
        """The log of the evidence of the rise under way, see `histogram.log_rise`."""
        return histogram.log_rise(self.capital)

    @property
    def canary_units(self) -> int:
        """The canary's units that were compared so far."""
        return self.capital.e_c

    @property
    def stable_units(self) -> int:
        """Stable's units that were compared so far."""
        return self.capital.e_s

    @cached_property
    def logs(self) -> Logs:
        """The logs of `histogram.log_harm` and `histogram.log_safe`; crashes are not watched."""
        return Logs(histogram.log_harm(self.capital), histogram.log_safe(self.capital), None)

    def learn(self, counts: Counts) -> HistogramTest:
        """Add only stable's counts to the past, see `histogram.learn`."""
        return replace(self, capital=histogram.learn(self.tolerance, self.capital, counts))

    def watch(self, counts: Counts) -> HistogramTest:
        """Run a warm-up look: it only learns, because a histogram has no crash to watch for."""
        return self.learn(counts)

    def update(self, counts: Counts) -> HistogramTest:
        """Run a counted look, see `histogram.update`."""
        return replace(self, capital=histogram.update(self.tolerance, self.capital, counts))

    def without_harm_bets(self) -> HistogramTest:
        """Reset the bets on harm, but retain what was learnt of stable."""
        return replace(self, capital=replace(self.capital, harm=(), rise=(), rise_looks=()))

    def with_dispersion(self, dispersion: Dispersion) -> HistogramTest:
        """Temper all further evidence by the pods' dispersion; one that forbade a test is over."""
        capital, before = self.capital, self.dispersion
        if before is not None and before.problem and capital.problem == before.problem:
            capital = replace(capital, problem="")
        tolerance = replace(self.tolerance, dispersion=dispersion)
        return replace(self, tolerance=tolerance, capital=capital)

    def estimate_dispersion(self, past: PodCounts, pods_canary: int | None) -> Dispersion:
        """Estimate the dispersion: of each component the largest at stable's guarded quantiles.

        It is `histogram.estimate_shape`, or `histogram.estimate_shape_totals` where pods are not
        known. Raises EvidenceError and ValueError as these do.
        """
        if pods_canary is None:
            return estimate_shape_totals(past.counts.sum(axis=1), self.tolerance.worse)
        return estimate_shape(past.counts, self.tolerance.worse, pods_canary)

    def excess_rate(self, alpha: float) -> None:
        """Return nothing, because a histogram has no bad units whose excess could be bounded."""

    def read(self, log_harm: float, alpha: float, beta: float) -> Readout:
        """Compute the numbers at the edge with the least evidence of safety, which decides."""
        capital = self.capital
        plain = Readout(
            canary=capital.e_c,
            stable=capital.e_s,
            harm=harm_share(log_harm, alpha),
            safe=proof_share(self.logs.safe, beta),
        )
        if not capital.contrasts:
            return replace(plain, words="no edge chosen yet")
        proofs = contrasts.each_safe(capital.contrasts)
        return self._read_edge(plain, proofs.index(min(proofs)), alpha, beta)

    def read_edges(self, alpha: float, beta: float) -> tuple[Readout, ...]:
        """Compute the numbers at each edge; `safe` is that edge's proof, `harm` is unset."""
        proofs = (max(0.0, contrasts.log_safe(c) / -math.log(beta)) for c in self.capital.contrasts)
        e_c, e_s = self.capital.e_c, self.capital.e_s
        readouts = [Readout(canary=e_c, stable=e_s, safe=proof) for proof in proofs]
        return tuple(self._read_edge(r, i, alpha, beta) for i, r in enumerate(readouts))

    def _read_edge(self, plain: Readout, index: int, alpha: float, beta: float) -> Readout:
        pair = self.capital.chosen[index]
        edge, partner = (
            histogram.edge(self.tolerance, self.capital, i) for i in (pair.edge, pair.partner)
        )
        side = "above" if self.tolerance.worse == "high" else "at or below"
        named = replace(plain, edge=edge, partner=partner, words=f"share {side} {edge:g}")
        return read_contrast(named, self.capital.contrasts[index], 0.0, alpha, beta)
