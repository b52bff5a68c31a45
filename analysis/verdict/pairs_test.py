"""Pairs of answers to one request: does the canary lose more of them than its margin allows?

A look's counts are by which version came first: its units are pairs, the bad ones those that it
lost, those apart ties, and of those without a label nobody can tell who won. See `sign_test`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import NoReturn, Self

from analysis.counting.counts import Counts, EvidenceError
from analysis.counting.per_pod import PodCounts
from analysis.dispersion.dispersion import Dispersion
from analysis.fast_replace import replace
from analysis.rates.sign_test import PairCounts, SignTest
from analysis.verdict.readout import Readout, harm_share, proof_share
from analysis.verdict.sequential_test import Logs

EVEN = 0.5
"""The share of decided pairs that each version loses where none is better."""

LOST = "share of pairs lost"
"""The words of a readout of pairs."""

NO_PAST = "pairs are compared with no past"


def count_decided(counts: Counts) -> PairCounts:
    """Return a look's decided pairs. Raises EvidenceError for a histogram's counts."""
    ties, stable_ties = sum(counts.canary_apart), sum(counts.stable_apart)
    first = counts.canary_exposures - ties - counts.canary_unlabelled
    second = counts.stable_exposures - stable_ties - counts.stable_unlabelled
    return PairCounts(first, counts.canary_bad, second, second - counts.stable_bad)


@dataclass(frozen=True)
class PairsTest:
    """A `SequentialTest` of the canary's share of losses against a half plus `margin`.

    Whatever traffic a version has, both answer the same requests in pairs: no warm-up and no weight
    has a say in them, and no past of stable. `ties` are left out.
    """

    margin: float
    signs: SignTest = field(default_factory=SignTest)
    ties: int = 0

    tolerance = None
    dispersion = None
    weighs_evidence = True
    is_shown_only = False
    finding = ""
    is_alone = False
    is_broken = False
    log_rise = 0.0
    problem = ""

    @property
    def canary_units(self) -> int:
        """The decided pairs that were compared so far."""
        return self.signs.counts.decided

    @property
    def stable_units(self) -> int:
        """The same pairs: each is of both versions."""
        return self.signs.counts.decided

    @property
    def logs(self) -> Logs:
        """The logs of the evidence that losses are above, and below, what is allowed."""
        allowed = EVEN + self.margin
        safe = self.signs.log_fewer(allowed) if self.signs.weight else -math.inf
        return Logs(self.signs.log_more(allowed), safe, None)

    def learn(self, counts: Counts) -> Self:  # noqa: ARG002  # the same signature as a rate's
        """Return the same: no past has a say."""
        return self

    def watch(self, counts: Counts) -> Self:
        """Run a look of the warm-up, in which pairs are compared as in any other."""
        return self.update(counts)

    def update(self, counts: Counts) -> Self:
        """Add a look's decided pairs. Raises EvidenceError for a histogram's counts."""
        ties = self.ties + sum(counts.canary_apart) + sum(counts.stable_apart)
        return replace(self, signs=self.signs.update(count_decided(counts)), ties=ties)

    def without_harm_bets(self) -> Self:
        """Return the same: the bets on harm begin with the rollout."""
        return self

    def with_dispersion(self, dispersion: Dispersion) -> Self:  # noqa: ARG002  # the same signature as a rate's
        """Return the same: how pods differ has no say."""
        return self

    def estimate_dispersion(self, past: PodCounts, pods_canary: int | None) -> NoReturn:  # noqa: ARG002  # the same signature as a rate's
        """Raise EvidenceError, since no past has a say."""
        raise EvidenceError(NO_PAST)

    def excess_rate(self, alpha: float) -> None:
        """Return nothing, because lost pairs are no harm to a request."""

    def read(self, log_harm: float, alpha: float, beta: float) -> Readout:
        """Compute the numbers for display, of which the bad ones are pairs that a version lost.

        `estimate`, `low`, `high` and `allowed` are the canary's share of losses above a half.
        """
        share, logs = self.signs.lost_share, self.logs
        counts = self.signs.counts
        readout = Readout(
            canary=counts.decided,
            stable=counts.decided,
            canary_bad=counts.lost,
            stable_bad=counts.decided - counts.lost,
            harm=harm_share(log_harm, alpha),
            safe=proof_share(logs.safe, beta),
            allowed=self.margin,
            words=LOST,
        )
        if share is None:
            return readout
        low, high = self.signs.bound(alpha, beta)
        return replace(readout, estimate=share - EVEN, low=low - EVEN, high=high - EVEN)

    def read_edges(self, alpha: float, beta: float) -> tuple[Readout, ...]:  # noqa: ARG002  # the same signature as a histogram's
        """Return nothing, because there are no edges."""
        return ()


@dataclass(frozen=True)
class PairsContrast:
    """Pairs as a goal's counts: each version's decided pairs, and those that it lost.

    `log_divisor` is 2 where a normal approximation takes both versions' losses as independent: what
    one loses the other wins, so their difference varies twice as much.
    """

    e_c: int
    e_s: int
    x_c: int
    x_s: int
    difference: float | None
    log_divisor: float = 2.0


@dataclass(frozen=True)
class PairsGoal:
    """Whether the canary wins more pairs than it loses, as `SuperiorityTest` asks of shares."""

    signs: SignTest = field(default_factory=SignTest)
    looks: int = 0

    edge = None
    problem = ""

    @property
    def contrast(self) -> PairsContrast:
        """The pairs that were compared; the difference is of lost shares, over both orders."""
        counts, share = self.signs.counts, self.signs.lost_share
        lost, won = counts.lost, counts.decided - counts.lost
        difference = None if share is None else 2 * share - 1
        return PairsContrast(counts.decided, counts.decided, lost, won, difference)

    @property
    def units(self) -> int:
        """The decided pairs that were compared."""
        return self.signs.counts.decided

    @property
    def log_better(self) -> float:
        """The log of the evidence that the canary wins more than half, see `log_mixture`."""
        return self.signs.log_fewer(EVEN)

    @property
    def log_worse(self) -> float:
        """The log of the evidence that the canary loses more than half, see `log_mixture`."""
        return self.signs.log_more(EVEN)

    def learn(self, counts: Counts) -> Self:  # noqa: ARG002  # the same signature as a rate's
        """Return the same: no past has a say."""
        return self

    def watch(self, counts: Counts) -> Self:
        """Run a look of the warm-up, in which pairs are compared as in any other."""
        return self.update(counts)

    def update(self, counts: Counts) -> Self:
        """Add a look's decided pairs. Raises EvidenceError for a histogram's counts."""
        decided = count_decided(counts)
        is_compared = decided.decided > 0
        return replace(self, signs=self.signs.update(decided), looks=self.looks + is_compared)

    def with_dispersion(self, dispersion: Dispersion) -> Self:  # noqa: ARG002  # the same signature as a rate's
        """Return the same: how pods differ has no say."""
        return self

    def bound_difference(self, level: float) -> tuple[float, float]:
        """Bound the difference of lost shares, canary less stable, at all looks at once: -1 to 1.

        Both sides together fail with chance `level` at most, see `sign_test.find_boundary`.
        """
        low, high = self.signs.bound(level / 2, level / 2)
        return 2 * low - 1, 2 * high - 1
