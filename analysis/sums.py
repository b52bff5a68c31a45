"""Means known only by sum and count: an asymptotic confidence sequence of their difference."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import NamedTuple

LEAST_LOOKS = 30
"""Looks before anything is said: the variance is learnt from the looks themselves."""

TIGHTEST = 100.0
"""Looks at which the interval is tightest in relation to its final width."""

_LOST = 1e-14  # part of the squares that rounding may have taken off


class Sums(NamedTuple):
    """One look: units and the sum of their values on canary (c) and stable (s)."""

    n_c: float
    n_s: float
    sum_c: float
    sum_s: float


@dataclass(frozen=True)
class Difference:
    """Running sums over looks k of weights h = n_c n_s / (n_c + n_s) and differences D of means."""

    looks: int = 0
    h: float = 0.0
    hd: float = 0.0
    h2: float = 0.0
    h2d: float = 0.0
    h2d2: float = 0.0

    @property
    def estimate(self) -> float | None:
        """Difference of means, canary minus stable, in the values' own unit; a look is a stratum.

        None without a look on both arms.

        Derived here: sum h D / sum h, the weights of least variance where both arms have one
        variance of values, 1 / h = 1 / n_c + 1 / n_s.
        """
        return self.hd / self.h if self.h > 0 else None


def compared(running: Difference, seen: Sums) -> Difference:
    """The difference after one more look; a look without units on both arms changes nothing.

    Raises:
        ValueError: a negative or fractional number of units, a sum that is not finite, or a sum
            without units.
    """
    _check(seen)
    if not seen.n_c or not seen.n_s:
        return running
    h = seen.n_c * (seen.n_s / (seen.n_c + seen.n_s))
    hd = h * (seen.sum_c / seen.n_c - seen.sum_s / seen.n_s)
    return replace(
        running,
        looks=running.looks + 1,
        h=running.h + h,
        hd=running.hd + hd,
        h2=running.h2 + h * h,
        h2d=running.h2d + h * hd,
        h2d2=running.h2d2 + hd * hd,
    )


def interval(running: Difference, alpha: float) -> tuple[float, float]:
    """Bounds of the mean difference that hold at all looks together, approximately.

    With t looks and s^2 the mean of (h_k (D_k - estimate))^2, estimate +- s r / sum h,
    r^2 = (t rho^2 + 1) / rho^2 log((t rho^2 + 1) / alpha^2), rho^2 = (-2 log alpha +
    log(1 - 2 log alpha)) / TIGHTEST; on h_k D_k, so that a base level that moves cancels within
    each look. In the values' own unit.

    Source: Waudby-Smith, Arbour, Sinha, Kennedy & Ramdas, Annals of Statistics 52 (2024), 2613-2640
    (arXiv 2103.06476v7), theorem 2.2 and its choice of rho.

    Approximate: the chance of ever missing tends to alpha as the first look at it grows. Infinite
    bounds in the first LEAST_LOOKS looks, and where sums are too large for their squares.
    """
    estimate = running.estimate
    if estimate is None or running.looks < LEAST_LOOKS:
        return -math.inf, math.inf
    squares = running.h2d2 - estimate * (2 * running.h2d - estimate * running.h2)
    if not math.isfinite(squares):
        return -math.inf, math.inf
    spread = math.sqrt(max(_LOST * running.h2d2, squares) / running.looks)
    rho2 = (-2 * math.log(alpha) + math.log1p(-2 * math.log(alpha))) / TIGHTEST
    grown = running.looks * rho2 + 1
    radius = spread * math.sqrt(grown / rho2 * math.log(grown / alpha**2)) / running.h
    return estimate - radius, estimate + radius


def _check(seen: Sums) -> None:
    for units, total in ((seen.n_c, seen.sum_c), (seen.n_s, seen.sum_s)):
        if not math.isfinite(units) or units < 0 or units != int(units):
            raise ValueError("a number of units is a whole number, 0 or more")
        if not math.isfinite(total) or (total and not units):
            raise ValueError("a sum is finite, and 0 without units")
