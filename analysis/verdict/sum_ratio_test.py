"""What is only shown: the ratio of two versions' sums per unit. It never weighs as evidence."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from analysis.counting.counts import Counts
from analysis.fast_replace import replace
from analysis.rates.sum_ratio import FEWEST, SumRatio
from analysis.verdict.readout import Readout
from analysis.verdict.sequential_test import Logs
from analysis.verdict.unweighed_test import UnweighedTest


@dataclass(frozen=True)
class SumRatioTest(UnweighedTest):
    """A `SequentialTest` that calls no harm: see `sum_ratio` for why none could be called.

    With `times` a promotion waits while the measured ratio is above that, or not yet known. That is
    a plain bound without an error rate.
    """

    times: float | None = None
    sums: SumRatio = field(default_factory=SumRatio)

    compared = "a ratio of sums is"
    is_alone = False
    is_broken = False

    @property
    def is_shown_only(self) -> bool:
        """Whether it has no say in a promotion."""
        return self.times is None

    @property
    def finding(self) -> str:
        """What a verdict on it says."""
        if self.times is None:
            return "shown only: it decides nothing"
        return "within the plan's bound, which has no error rate"

    @property
    def canary_units(self) -> int:
        """The canary's units that were compared so far."""
        return self.sums.e_c

    @property
    def stable_units(self) -> int:
        """Stable's units that were compared so far."""
        return self.sums.e_s

    @property
    def logs(self) -> Logs:
        """Return that there is no evidence of harm, and whether the plan's bound is kept."""
        return Logs(-math.inf, math.inf if self._is_within else -math.inf, None)

    @property
    def _is_within(self) -> bool:
        if self.times is None:
            return True
        ratio = self.sums.ratio
        return ratio is not None and self.sums.looks >= FEWEST and ratio <= self.times

    def learn(self, counts: Counts) -> SumRatioTest:  # noqa: ARG002  # the same signature as a rate's
        """Return the same: only looks in which both versions count are compared."""
        return self

    def watch(self, counts: Counts) -> SumRatioTest:  # noqa: ARG002  # the same signature as a rate's
        """Return the same: a cold start is not compared."""
        return self

    def update(self, counts: Counts) -> SumRatioTest:
        """Add a counted look. Raises EvidenceError for a histogram's counts."""
        units = counts.canary_exposures, counts.stable_exposures
        sums = self.sums.with_look(*units, counts.canary_bad, counts.stable_bad)
        return replace(self, sums=sums)

    def read(self, log_harm: float, alpha: float, beta: float) -> Readout:  # noqa: ARG002  # the same signature as a rate's
        """Compute the numbers for display."""
        sums = self.sums
        low, high = sums.interval or (None, None)
        return Readout(
            canary=sums.e_c,
            stable=sums.e_s,
            canary_bad=sums.x_c,
            stable_bad=sums.x_s,
            safe=float(self._is_within),
            words="sum per unit",
            ratio=sums.ratio,
            ratio_low=low,
            ratio_high=high,
        )
