"""What is common to tests that weigh no evidence: nothing is bet, and no past has a say."""

from __future__ import annotations

from typing import ClassVar, NoReturn, Self

from analysis.counting.counts import EvidenceError
from analysis.counting.per_pod import PodCounts
from analysis.dispersion.dispersion import Dispersion
from analysis.verdict.readout import Readout


class UnweighedTest:
    """The part of a `SequentialTest` that is about evidence, for tests that have none.

    `compared` names what a test of this kind is about, for the refusal of a past.
    """

    compared: ClassVar[str]

    weighs_evidence = False
    dispersion = None
    tolerance = None
    problem = ""
    log_rise = 0.0

    def without_harm_bets(self) -> Self:
        """Return the same, since nothing is bet."""
        return self

    def with_dispersion(self, dispersion: Dispersion) -> Self:  # noqa: ARG002  # the same signature as a rate's
        """Return the same: how pods differ has no say."""
        return self

    def estimate_dispersion(self, past: PodCounts, pods_canary: int | None) -> NoReturn:  # noqa: ARG002  # the same signature as a rate's
        """Raise EvidenceError, since no past has a say."""
        raise EvidenceError(f"{self.compared} not compared with any past")

    def excess_rate(self, alpha: float) -> None:
        """Return nothing, because no excess is estimated."""

    def read_edges(self, alpha: float, beta: float) -> tuple[Readout, ...]:  # noqa: ARG002  # the same signature as a histogram's
        """Return nothing, because there are no edges."""
        return ()
