"""What counts who was sent where: the share of traffic is tested by it, and it shows no harm."""

from __future__ import annotations

import math
from dataclasses import dataclass

from analysis.counting.counts import Counts
from analysis.fast_replace import replace
from analysis.verdict.readout import Readout
from analysis.verdict.sequential_test import Logs
from analysis.verdict.unweighed_test import UnweighedTest


@dataclass(frozen=True)
class ExposureCount(UnweighedTest):
    """A `SequentialTest` that tests nothing: `sample_ratio` tests the counts.

    A promotion needs the canary to be counted, since of what is not counted nobody knows the share.
    """

    canary: int = 0
    stable: int = 0

    compared = "exposures are"
    is_shown_only = False
    is_alone = False
    is_broken = False
    finding = "counted: it shows no harm"

    @property
    def canary_units(self) -> int:
        """The canary's units that were compared so far."""
        return self.canary

    @property
    def stable_units(self) -> int:
        """Stable's units that were compared so far."""
        return self.stable

    @property
    def logs(self) -> Logs:
        """Return that there is no evidence; without any count nothing is promoted."""
        return Logs(-math.inf, math.inf if self.canary else -math.inf, None)

    def learn(self, counts: Counts) -> ExposureCount:
        """Count both versions' units."""
        return self.update(counts)

    def watch(self, counts: Counts) -> ExposureCount:
        """Count both versions' units."""
        return self.update(counts)

    def update(self, counts: Counts) -> ExposureCount:
        """Count both versions' units."""
        return replace(
            self,
            canary=self.canary + counts.canary_exposures,
            stable=self.stable + counts.stable_exposures,
        )

    def read(self, log_harm: float, alpha: float, beta: float) -> Readout:  # noqa: ARG002  # the same signature as a rate's
        """Compute the numbers for display."""
        is_counted = float(bool(self.canary))
        return Readout(canary=self.canary, stable=self.stable, safe=is_counted, words="exposures")


@dataclass(frozen=True)
class LabelCount(ExposureCount):
    """A `SequentialTest` that tests nothing: what people said is shown beside a judge's scores."""

    canary_bad: int = 0
    stable_bad: int = 0

    compared = "people's labels are"
    is_shown_only = True
    finding = "shown only: it decides nothing"

    @property
    def logs(self) -> Logs:
        """Return that there is no evidence, and that no promotion waits for it."""
        return Logs(-math.inf, math.inf, None)

    def update(self, counts: Counts) -> LabelCount:
        """Count both versions' labels, and bad ones."""
        return replace(
            self,
            canary=self.canary + counts.canary_exposures,
            stable=self.stable + counts.stable_exposures,
            canary_bad=self.canary_bad + counts.canary_bad,
            stable_bad=self.stable_bad + counts.stable_bad,
        )

    def read(self, log_harm: float, alpha: float, beta: float) -> Readout:
        """Compute the numbers for display."""
        plain = super().read(log_harm, alpha, beta)
        return replace(plain, canary_bad=self.canary_bad, stable_bad=self.stable_bad)
