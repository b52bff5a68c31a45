"""What must not happen at all: the canary's occurrences are counted, no evidence is weighed.

One leak is one too many, whatever stable does: nothing is estimated, so there is no chance of an
error to spend, and no share of the evidence that all guardrails give together.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from analysis.counting.counts import Counts
from analysis.fast_replace import replace
from analysis.verdict.readout import Readout
from analysis.verdict.sequential_test import Logs
from analysis.verdict.unweighed_test import UnweighedTest


@dataclass(frozen=True)
class NeverTest(UnweighedTest):
    """A `SequentialTest` of the canary alone, which is broken by `limit` occurrences."""

    limit: int
    bad: int = 0
    exposures: int = 0

    compared = "what must not happen is"
    is_shown_only = False
    is_alone = True

    @property
    def is_broken(self) -> bool:
        """Whether it happened as often as it must not."""
        return self.bad >= self.limit

    @property
    def finding(self) -> str:
        """What a verdict on it says."""
        return "it happened, and must not" if self.is_broken else "it has not happened"

    @property
    def canary_units(self) -> int:
        """The canary's units that were compared so far."""
        return self.exposures

    @property
    def stable_units(self) -> int:
        """None of stable's: the canary is judged alone."""
        return 0

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

    def read(self, log_harm: float, alpha: float, beta: float) -> Readout:  # noqa: ARG002  # the same signature as a rate's
        """Compute the numbers for display."""
        return Readout(
            canary=self.exposures,
            canary_bad=self.bad,
            harm=float(self.is_broken),
            safe=float(bool(self.exposures) and not self.is_broken),
            words="occurrences",
        )
