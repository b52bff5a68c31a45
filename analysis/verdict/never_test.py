"""What must not happen at all: the canary's occurrences are counted, no evidence is weighed.

One leak is one too many, whatever stable does: nothing is estimated, so there is no chance of an
error to spend, and no share of the evidence that all guardrails give together.
"""

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
class NeverTest:
    """A `SequentialTest` of the canary alone, which is broken by `limit` occurrences."""

    limit: int
    bad: int = 0
    exposures: int = 0

    weighs_evidence = False
    is_shown_only = False
    is_alone = True
    dispersion = None
    tolerance = None
    problem = ""
    log_rise = 0.0

    @property
    def is_broken(self) -> bool:
        """Whether it happened as often as it must not."""
        return self.bad >= self.limit

    @property
    def finding(self) -> str:
        """What a verdict on it says."""
        return "it happened, and must not" if self.is_broken else "it has not happened"

    @property
    def logs(self) -> Logs:
        """Return that there is no evidence; without any data nothing is safe."""
        return Logs(
            -math.inf, math.inf if self.exposures and not self.is_broken else -math.inf, None
        )

    def learn(self, counts: Counts) -> NeverTest:
        """Count the canary's units: what happened before the first step happened too."""
        return self.update(counts)

    def watch(self, counts: Counts) -> NeverTest:
        """Count the canary's units: what happens in the warm-up happens too."""
        return self.update(counts)

    def update(self, counts: Counts) -> NeverTest:
        """Count the canary's units. Raises EvidenceError for a histogram's counts."""
        return replace(
            self,
            bad=self.bad + counts.canary_bad,
            exposures=self.exposures + counts.canary_exposures,
        )

    def without_harm_bets(self) -> NeverTest:
        """Return the same, since nothing is bet."""
        return self

    def with_dispersion(self, dispersion: Dispersion) -> NeverTest:  # noqa: ARG002  # the same signature as a rate's
        """Return the same: how pods differ has no say."""
        return self

    def estimate_dispersion(self, past: PodCounts, pods_canary: int | None) -> NoReturn:  # noqa: ARG002  # the same signature as a rate's
        """Raise EvidenceError, since no past has a say."""
        raise EvidenceError("what must not happen is not compared with any past")

    def excess_rate(self, alpha: float) -> None:
        """Return nothing, because no excess is estimated."""

    def read(self, log_harm: float, alpha: float, beta: float) -> Readout:  # noqa: ARG002  # the same signature as a rate's
        """Compute the numbers for display."""
        return Readout(
            canary=self.exposures,
            canary_bad=self.bad,
            harm=float(self.is_broken),
            safe=float(bool(self.exposures) and not self.is_broken),
            words="occurrences",
        )

    def read_edges(self, alpha: float, beta: float) -> tuple[Readout, ...]:  # noqa: ARG002  # the same signature as a histogram's
        """Return nothing, because there are no edges."""
        return ()
