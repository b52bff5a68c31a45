"""The excess bound: an anytime bound on the canary's excess of bad requests."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from analysis.log_arrays import column, log_mean

Array = NDArray[np.float64]

LEVELS: Array = np.geomspace(0.02, 0.98, 12)
"""Bet sizes, log-spaced: small ones gain most with many requests, large ones with few."""

WEIGHTS: Array = np.full(LEVELS.size, 1 / LEVELS.size)
"""Prior weights without any past."""

_EVEN = 0.2  # fraction of an informed prior that is uniform, in case the past misleads
_SHARP = 10.0  # how strongly an informed prior prefers the bets that would grow fastest

_BOTH = np.stack([LEVELS, -LEVELS])  # of `below` and `above`
_LOST = np.log1p(-_BOTH)
_MOST = 0.98  # largest fraction of its capital that a bet may lose
_ROUNDS = 60


def below(
    e_c: ArrayLike, e_s: ArrayLike, x_c: ArrayLike, x_s: ArrayLike, ratio: ArrayLike = 1.0
) -> Array:
    """Compute one look's log-capital of bets on few bad canary units: (...) -> (..., 12).

    Per level l, with rho = e_c / e_s: x_c log(1 - l) + x_s log(1 + l ratio rho). Let A_l be its sum
    and D = sum e_c (p_c - ratio p_s) the excess over the looks. Then exp(A_l + l D) is a test
    supermartingale for every l, by E prod r^x <= exp((r - 1) sum p), without a model of the effect.
    Zero where either arm has no exposures; such a look does not count in the canary's requests
    either.

    Derived here: with r_c = 1 - l and r_s = 1 + l ratio rho the exponents (r - 1) e p add up to
    -l e_c (p_c - ratio p_s), which exp(l D) cancels. Related: bets on a bounded mean, Waudby-
    Smith & Ramdas, JRSS-B 86 (2024), 1-27, section 4.
    """
    rho, both = _compute_odds(e_c, e_s)
    stake = LEVELS * column(ratio) * rho
    return np.where(both, _gain(stake, _LOST[0], column(x_c), column(x_s), column(e_s)), 0.0)


def above(
    e_c: ArrayLike, e_s: ArrayLike, x_c: ArrayLike, x_s: ArrayLike, ratio: ArrayLike = 1.0
) -> Array:
    """Compute the mirror image of `below`, for an interval's lower end: (...) -> (..., 12).

    Per level l: x_c log(1 + l) + x_s log(1 - l ratio rho); exp(B_l - l D) is a test
    supermartingale, as in `below` with -l for l. A level with l ratio rho > .98 cannot be bet: it
    pays l ratio e_c, the most that exp(-l D) may gain in the look, since p_s <= 1.
    """
    rho, both = _compute_odds(e_c, e_s)
    stake = -LEVELS * column(ratio) * rho
    return np.where(both, _gain(stake, _LOST[1], column(x_c), column(x_s), column(e_s)), 0.0)


def _compute_odds(e_c: ArrayLike, e_s: ArrayLike) -> tuple[Array, NDArray[np.bool_]]:
    """Return rho, and whether both arms have exposures: (...) -> (..., 1)."""
    canary, stable = column(e_c), column(e_s)
    both = (canary > 0) & (stable > 0)
    return canary / np.where(both, stable, 1.0), both


def bets(e_c: int, e_s: int, x_c: Array, x_s: Array, ratio: float = 1.0) -> Array:
    """Compute `below` and `above` of a look where both arms count: (n, 1, 1) -> (n, 2, 12)."""
    return _gain(_BOTH * ratio * (e_c / e_s), _LOST, x_c, x_s, e_s)


def _gain(stake: Array, lost: Array, x_c: Array, x_s: Array, e_s: Array | int) -> Array:
    """Compute a look's gain from `stake` l ratio rho and `lost` log(1 - l); `above` negates l.

    A bet that cannot be placed pays as much as if all of stable's units were bad: the worst case
    keeps the supermartingale valid.
    """
    gain = x_c * lost + x_s * np.log1p(np.maximum(stake, -_MOST))
    return np.where(stake < -_MOST, stake * e_s, gain)


def prior(
    p_c: ArrayLike, p_s: ArrayLike, ratio: ArrayLike = 1.0, absolute: ArrayLike = 0.0
) -> Array:
    """Compute prior weights from shares in stable's past: (...) -> (..., 12), summing to one.

    They prefer the levels that would grow fastest, per canary request, if the canary changed
    nothing and the arms had equal traffic: p_c log(1 - l) + p_s log(1 + l ratio) + l absolute, the
    expectation of `below` and of the margin in `log_safe`. The guarantee holds for any weights that
    are fixed before the first bet. These prove safety about a fifth sooner than uniform ones, and
    within a tenth of the time of the single bet that knows the shares. For an edge of a
    distribution, p_c is the share beyond the edge and p_s that beyond its partner.
    """
    gain = column(p_c) * np.log1p(-LEVELS) + column(p_s) * np.log1p(LEVELS * column(ratio))
    growth = gain + LEVELS * column(absolute)
    # Growth relative to the best level; where no level grows, `inf` makes the prior uniform.
    best = growth.max(axis=-1, keepdims=True)
    sharp = np.exp(_SHARP * (growth - best) / np.where(best > 0, best, np.inf))
    return np.asarray(_EVEN * WEIGHTS + (1 - _EVEN) * sharp / sharp.sum(axis=-1, keepdims=True))


def log_safe(
    A: ArrayLike, n_c: ArrayLike, absolute: ArrayLike = 0.0, weights: ArrayLike = WEIGHTS
) -> Array:
    """Compute log evidence against an excess rate of `absolute` or more: (..., 12), (...) -> (...).

    It is log sum_l w_l exp(A_l + l absolute n_c), n_c the canary's counted exposures. Promote when
    it reaches log(1/beta): P(ever) <= beta when p_c >= ratio p_s + absolute on average.

    Derived here: where D >= absolute n_c this is at most sum_l w_l exp(A_l + l D), a mean of
    `below`'s supermartingales, and Ville's inequality bounds that (`ratio_test.log_harm`).
    """
    return log_mean(np.asarray(A) + LEVELS * column(absolute) * column(n_c), weights)


def excess_bound(A: ArrayLike, alpha: float, weights: ArrayLike = WEIGHTS) -> Array:
    """Compute an anytime upper bound of the excess D of bad canary requests: (..., 12) -> (...).

    It is the root U of sum_l w_l exp(A_l + l U) = 1/alpha. P(D >= U at any time) <= alpha, because
    the left side grows with U and at U = D is the e-process of `log_safe`. The bound is a count and
    may be negative. The left side is log-convex in U, and Newton's method starts right of the root
    (where one term alone suffices), so every iterate is itself a valid bound.
    """
    logs, target = np.asarray(A, dtype=np.float64) + np.log(weights), -np.log(alpha)
    bound = ((target - logs) / LEVELS).min(axis=-1)
    for _ in range(_ROUNDS):
        terms = logs + LEVELS * bound[..., None]
        top = np.maximum.reduce(terms, axis=-1)
        shares = np.exp(terms - top[..., None])
        total = np.add.reduce(shares, axis=-1)
        surplus = top + np.log(total) - target
        step = surplus * total / np.add.reduce(shares * LEVELS, axis=-1)
        bound = bound - np.maximum(step, 0.0)
        if (step <= 1e-10 * (1.0 + np.abs(bound))).all():
            break
    return np.asarray(bound)


def excess_floor(B: ArrayLike, alpha: float) -> Array:
    """Compute an anytime lower bound of the excess D from `above`: (..., 12) -> (...), a count.

    It is `excess_bound` of -D, negated.
    """
    return -excess_bound(B, alpha)
