"""A sequential sign test of pairs in which a judge may prefer what it reads first.

How it works: pairs are counted apart by which version came first. In a block, with n_c pairs that
showed the canary first and n_s that showed stable first, let l_c and l_s be the shares of each that
the canary lost. A preference for the first place lowers one of them and raises the other, so

    d = l_c + l_s,  with the mean 2 q,

where q is the canary's share of losses, averaged over both orders: 1/2 where no version is better,
whatever the preference and however unevenly the orders are dealt. Blocks are added up with the
weights w = 4 n_c n_s / (n_c + n_s), one for each pair where the orders are dealt evenly. Ties are
left out, as in every sign test (Dixon & Mood, JASA 41 (1946), 557-566).

What is exact: given the orders, w (d - 2 q) is a weighted sum of bounded variables and w its
variance proxy (Hoeffding, JASA 58 (1963), 13-30, inequality 4.16). So for S = sum w (d - 2 q0),
V = sum w and any l >= 0, exp(l S - l^2 V / 2) is a supermartingale where q <= q0 in every block,
and so is its mean over half a normal distribution of l with variance 1 / RHO:

    E = 2 sqrt(RHO / (V + RHO)) exp(S^2 / (2 (V + RHO))) Phi(S / sqrt(V + RHO))

(Robbins, Annals of Mathematical Statistics 41 (1970), 1397-1409; Howard, Ramdas, McAuliffe &
Sekhon, Annals of Statistics 49 (2021), 1055-1080, one-sided normal mixture). By Ville's inequality
it ever reaches 1 / alpha with chance alpha at most, at any number of looks, without any model of
judge or base rate. It asks that a pair's outcome depends on earlier pairs only through the mean
(pairs of one author's notes may resemble each other, which counts do not show), and that the order
is not chosen by the outcome. Pairs of a single order say nothing, and wait for the other.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from analysis.fast_replace import replace

RHO = 25.0
"""Prior precision of bets: most capital bets on shares up to ten points from the null."""

BLOCK = 4
"""Least pairs of each order in a block: fewer would waste those of the commoner order."""

LARGEST = 1e9
"""No more pairs than these are looked for."""

_ROUNDS = 80


@dataclass(frozen=True)
class PairCounts:
    """Decided pairs by which version came first, and how many of them the canary lost."""

    canary_first: int = 0
    canary_first_lost: int = 0
    stable_first: int = 0
    stable_first_lost: int = 0

    def __add__(self, other: PairCounts) -> PairCounts:
        return PairCounts(
            self.canary_first + other.canary_first,
            self.canary_first_lost + other.canary_first_lost,
            self.stable_first + other.stable_first,
            self.stable_first_lost + other.stable_first_lost,
        )

    @property
    def decided(self) -> int:
        """Pairs without ties."""
        return self.canary_first + self.stable_first

    @property
    def lost(self) -> int:
        """Pairs that the canary lost."""
        return self.canary_first_lost + self.stable_first_lost

    @property
    def is_block(self) -> bool:
        """Whether there are enough of both orders to be compared."""
        return min(self.canary_first, self.stable_first) >= BLOCK

    @property
    def first_won(self) -> float | None:
        """The share that the first place won, averaged over both orders; None without both.

        It is 1/2 where the judge has no preference for a place, whichever version is better.

        Derived here: of two orders alike, a better version wins as much more of one as less of the
        other.
        """
        if not self.canary_first or not self.stable_first:
            return None
        won = 1 - self.canary_first_lost / self.canary_first
        return (won + self.stable_first_lost / self.stable_first) / 2


@dataclass(frozen=True)
class SignTest:
    """Blocks of pairs added up: `total` is sum w d, `weight` sum w; `open` waits for a block.

    `counts` are all decided pairs, those of the open block too.
    """

    total: float = 0.0
    weight: float = 0.0
    open: PairCounts = PairCounts()
    counts: PairCounts = PairCounts()

    def update(self, pairs: PairCounts) -> SignTest:
        """Add a look's decided pairs; when a block ends depends on the orders alone."""
        block, counts = self.open + pairs, self.counts + pairs
        if not block.is_block:
            return replace(self, open=block, counts=counts)
        n_c, n_s = block.canary_first, block.stable_first
        weight = 4 * n_c * n_s / (n_c + n_s)
        shares = block.canary_first_lost / n_c + block.stable_first_lost / n_s
        return SignTest(self.total + weight * shares, self.weight + weight, counts=counts)

    @property
    def lost_share(self) -> float | None:
        """The canary's share of losses, averaged over both orders; None before the first block.

        Derived here: the mean of d / 2 by the blocks' weights, see the module.
        """
        return self.total / (2 * self.weight) if self.weight else None

    def log_more(self, share: float) -> float:
        """The log of the evidence that the canary loses more than this share, `log_mixture`."""
        return log_mixture(self.total - 2 * share * self.weight, self.weight)

    def log_fewer(self, share: float) -> float:
        """The log of the evidence that the canary loses less than this share, `log_mixture`."""
        return log_mixture(2 * share * self.weight - self.total, self.weight)

    def bound(self, alpha: float, beta: float) -> tuple[float, float]:
        """Bound the share of losses at all looks at once: from below at alpha, above at beta.

        The bounds are the shares at which `find_boundary` is reached.
        """
        share = self.lost_share
        if share is None:
            return 0.0, 1.0
        below, above = (find_boundary(self.weight, level) for level in (alpha, beta))
        low, high = share - below / (2 * self.weight), share + above / (2 * self.weight)
        return max(low, 0.0), min(high, 1.0)


def log_mixture(excess: float, variance: float) -> float:
    """Return log E for S = `excess` and V = `variance`, see the module; 0 without evidence.

    Source: Robbins, Annals of Mathematical Statistics 41 (1970), 1397-1409; Howard, Ramdas,
    McAuliffe & Sekhon, Annals of Statistics 49 (2021), 1055-1080, one-sided normal mixture.
    """
    spread = variance + RHO
    root = excess / math.sqrt(spread)
    return math.log(2) + 0.5 * math.log(RHO / spread) + root * root / 2 + _log_normal(root)


def find_boundary(variance: float, level: float) -> float:
    """Return the least S at which E of `log_mixture` reaches 1 / `level`, by bisection."""
    needed, low, high = -math.log(level), -math.sqrt(variance + RHO), 1.0
    while log_mixture(high, variance) < needed:
        high *= 2
    for _ in range(_ROUNDS):
        middle = (low + high) / 2
        low, high = (middle, high) if log_mixture(middle, variance) < needed else (low, middle)
    return high


def find_least_share(allowed: float, variance: float, level: float) -> float | None:
    """Return the least share of losses that is found above `allowed`, with V = `variance`.

    That is in half of all runs; None where losing every pair is not found. Derived here: S is
    2 (q - allowed) V on average, and more than that in half of all runs; it is found where that
    is `find_boundary`.
    """
    share = allowed + find_boundary(variance, level) / (2 * variance)
    return share if share <= 1 else None


def find_even_weight(margin: float, level: float) -> float | None:
    """Return the V by which losses of a half are found to be below a half plus `margin`.

    As `find_least_share`, in half of all runs; None above `LARGEST`.
    """
    low, high = 1.0, LARGEST
    if 2 * margin * high < find_boundary(high, level):
        return None
    for _ in range(_ROUNDS):
        middle = math.sqrt(low * high)
        is_enough = 2 * margin * middle >= find_boundary(middle, level)
        low, high = (low, middle) if is_enough else (middle, high)
    return high


def _log_normal(x: float) -> float:
    """Return the log of the normal distribution function.

    Source: far below, Abramowitz & Stegun (1964), 26.2.12, which is exact to 1e-9 there.
    """
    if x > -30:
        return math.log(0.5 * math.erfc(-x / math.sqrt(2)))
    inverse = 1 / (x * x)
    series = 1 - inverse * (1 - 3 * inverse * (1 - 5 * inverse * (1 - 7 * inverse)))
    return -x * x / 2 - 0.5 * math.log(2 * math.pi) - math.log(-x) + math.log(series)
