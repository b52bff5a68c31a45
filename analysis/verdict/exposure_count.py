"""What counts who was sent where: the share of traffic is tested by it, and it shows no harm."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NoReturn

from analysis.counting.counts import Counts, EvidenceError
from analysis.counting.per_pod import PodCounts
from analysis.dispersion.estimate import Dispersion
from analysis.fast_replace import replace
from analysis.verdict.readout import Readout
from analysis.verdict.sequential_test import Logs


@dataclass(frozen=True)
class ExposureCount:
    """A `SequentialTest` that tests nothing: `sample_ratio` tests the counts.

    A promotion needs the canary to be counted, since of what is not counted nobody knows the share.
    """

    canary: int = 0
    stable: int = 0

    weighs_evidence = False
    is_shown_only = False
    is_alone = False
    is_broken = False
    dispersion = None
    tolerance = None
    problem = ""
    log_rise = 0.0
    finding = "counted: it shows no harm"

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

    def without_harm_bets(self) -> ExposureCount:
        """Return the same, since nothing is bet."""
        return self

    def with_dispersion(self, dispersion: Dispersion) -> ExposureCount:  # noqa: ARG002  # the same signature as a rate's
        """Return the same: how pods differ has no say."""
        return self

    def estimate_dispersion(self, past: PodCounts, pods_canary: int | None) -> NoReturn:  # noqa: ARG002  # the same signature as a rate's
        """Raise EvidenceError, since no past has a say."""
        raise EvidenceError("exposures are not compared with any past")

    def excess_rate(self, alpha: float) -> None:
        """Return nothing, because no excess is estimated."""

    def read(self, log_harm: float, alpha: float, beta: float) -> Readout:  # noqa: ARG002  # the same signature as a rate's
        """Compute the numbers for display."""
        is_counted = float(bool(self.canary))
        return Readout(canary=self.canary, stable=self.stable, safe=is_counted, words="exposures")

    def read_edges(self, alpha: float, beta: float) -> tuple[Readout, ...]:  # noqa: ARG002  # the same signature as a histogram's
        """Return nothing, because there are no edges."""
        return ()
