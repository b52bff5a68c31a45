"""The split with whole weights that is nearest to the shares that a mesh shows."""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction

from rollout.decide.record.split import Split
from rollout.plan.fields.units import percent


def nearest(shares: Sequence[Fraction], total: int) -> Split:
    """Return the split nearest to the canaries' shares; without shares, all goes to stable.

    An arm with some traffic never rounds to none: a rollback must not look complete before it is.
    Shares above 1 in sum, of requests that are copied twice, count as all.
    """
    share = min(sum(shares, Fraction(0)), Fraction(1))
    canary = round(share * total)
    least = sum(share > 0 for share in shares)
    if share < 1 and least < total:
        canary = min(max(canary, least), total - 1)
    if len(shares) < 2 or not canary:
        return Split(canary, total)
    return Split(canary, total, canaries=_divide(canary, shares))


def _divide(whole: int, shares: Sequence[Fraction]) -> tuple[int, ...]:
    """Divide a whole number in proportion to shares, each rounded to a neighbour.

    A positive share gets at least 1, where the number is large enough for that.
    """
    exact = [share * whole / sum(shares) for share in shares]
    least = 1 if whole >= sum(share > 0 for share in shares) else 0
    weights = [max(math.floor(value), least if value else 0) for value in exact]
    while (missing := whole - sum(weights)) != 0:
        step = 1 if missing > 0 else -1
        movable = [index for index, weight in enumerate(weights) if weight + step >= least]
        index = max(movable, key=lambda index: step * (exact[index] - weights[index]))
        weights[index] += step
    return tuple(weights)


def format_shares(shares: Sequence[Fraction]) -> str:
    """Format the canaries' shares for messages."""
    return " + ".join(percent(float(share)) for share in shares or [Fraction(0)])
