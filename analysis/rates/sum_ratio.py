"""The ratio of two versions' sums per unit, such as tokens per request, and how far it varies.

No test that decides: of counters only each look's totals are known, not the squares of what single
requests add, and for values without a bound no test of a mean holds its error rates whatever the
distribution (Bahadur & Savage, Annals of Mathematical Statistics 27 (1956), 1115-1122).

How it works: a look is a stratum, and the ratio is Mantel & Haenszel's, so that what moves both
versions alike cancels and the weights may move. Looks are the units of the interval: a
linearised variance (as of any ratio estimator: Cochran, Sampling Techniques, 3rd ed. (1977),
section 6.4) in the boundary of an asymptotic confidence sequence (Waudby-Smith, Arbour, Sinha,
Kennedy & Ramdas, Annals of Statistics 52 (2024), theorem 2.2), since it is looked at often. With
heavy tails its upper end lies too low more often than its level says: `benchmarks/quality/kinds.py`
simulates it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

FEWEST = 20
"""Looks with units of both versions below which the ratio has no interval."""

LEVEL = 0.05
"""What the interval misses at both ends together where looks add up to a normal law."""

_BEST_AT = 60  # looks at which the boundary is tightest
_LOG = -2 * math.log(LEVEL)
_SPREAD = (_LOG + math.log(_LOG + 1)) / _BEST_AT  # rho^2 of the boundary


@dataclass(frozen=True)
class SumRatio:
    """Units and sums of all looks with units of both versions, and moments of the strata.

    A look's stratum is (canary, stable): x_c e_s / e and x_s e_c / e, with units e, sums x and
    e = e_c + e_s.
    """

    looks: int = 0
    e_c: int = 0
    e_s: int = 0
    x_c: int = 0
    x_s: int = 0
    canary: float = 0.0
    stable: float = 0.0
    canary_squares: float = 0.0
    products: float = 0.0
    stable_squares: float = 0.0

    def with_look(self, e_c: int, e_s: int, x_c: int, x_s: int) -> SumRatio:
        """Add a look; one without units of either version says nothing.

        Derivation: with equal sums per unit m both strata are m e_c e_s / e on average.
        """
        if not e_c or not e_s:
            return self
        canary, stable = x_c * e_s / (e_c + e_s), x_s * e_c / (e_c + e_s)
        return SumRatio(
            self.looks + 1,
            self.e_c + e_c,
            self.e_s + e_s,
            self.x_c + x_c,
            self.x_s + x_s,
            self.canary + canary,
            self.stable + stable,
            self.canary_squares + canary * canary,
            self.products + canary * stable,
            self.stable_squares + stable * stable,
        )

    @property
    def ratio(self) -> float | None:
        """The canary's sum per unit, in multiples of stable's; None without a sum of stable.

        Source: Mantel & Haenszel, Journal of the National Cancer Institute 22 (1959), 719-748; for
        sums per unit in place of shares, Rothman & Boice (1979).
        """
        return self.canary / self.stable if self.stable else None

    @property
    def interval(self) -> tuple[float, float] | None:
        """The approximate interval of the ratio; None before enough looks have a sum.

        Source: the module's. It is put around the log of the ratio, so that it stays above 0.
        """
        ratio = self.ratio
        if not ratio or self.looks < FEWEST:
            return None
        squares = (
            self.canary_squares - 2 * ratio * self.products + ratio * ratio * self.stable_squares
        )
        variance = max(squares, 0.0) * self.looks / (self.looks - 1)
        error = math.sqrt(variance) / (self.stable * ratio)  # of the ratio's log
        spread = _SPREAD * self.looks
        boundary = 2 * (spread + 1) / spread * math.log(math.sqrt(spread + 1) / LEVEL)
        width = math.exp(min(error * math.sqrt(boundary), 100.0))
        return ratio / width, ratio * width
