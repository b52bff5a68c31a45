"""The excess bound: an anytime bound on the canary's excess of bad requests.

How it works: at each look twelve bets of different sizes are placed that the canary has few bad
units (they prove safety and bound the excess from above), and twelve that it has many (they bound
it from below). `log_safe` weighs the capital of the former against the excess that a margin allows;
`excess_bound` inverts it: the largest excess that the capital does not rule out.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from analysis.log_arrays import column, log_mean

Array = NDArray[np.float64]

Count = float | Array
"""A count, or counts of shape (..., 1, 1) to broadcast against both kinds of bets."""

LEVELS: Array = np.geomspace(0.02, 0.98, 12)
"""Bet sizes, log-spaced: small ones gain most with many requests, large ones with few."""

WEIGHTS: Array = np.full(LEVELS.size, 1 / LEVELS.size)
"""Prior weights without any past."""

_EVEN = 0.2  # fraction of an informed prior that is uniform, in case the past misleads
_SHARP = 10.0  # how strongly an informed prior prefers the bets that would grow fastest

_SIGNED_LEVELS = np.stack([LEVELS, -LEVELS])  # of bets on few and on many bad canary units
_LOG_LOSS = np.log1p(-_SIGNED_LEVELS)
_MOST = 0.98  # largest fraction of its capital that a bet may lose
_ROUNDS = 60


def gain(e_c: Count, e_s: Count, x_c: Count, x_s: Count, ratio: Count = 1.0) -> Array:
    """Compute a look's log-capital of bets on few and on many bad canary units: (..., 2, 12).

    Each argument is a number or (..., 1, 1); both arms have exposures. Per level l, with
    rho = e_c / e_s and D = sum e_c (p_c - ratio p_s) the excess over the looks:

        few:   x_c log(1 - l) + x_s log(1 + l ratio rho),  sum A_l
        many:  x_c log(1 + l) + x_s log(1 - l ratio rho),  sum B_l

    Then exp(A_l + l D) and exp(B_l - l D) are test supermartingales for every l, by
    E prod r^x <= exp((r - 1) sum p), without a model of the effect. A level of the second kind with
    l ratio rho > .98 cannot be bet: it pays l ratio e_c, as if all of stable's units were bad,
    which is the most that exp(-l D) may gain in the look, since p_s <= 1.

    Derived here: with r_c = 1 - l and r_s = 1 + l ratio rho the exponents (r - 1) e p add up to
    -l e_c (p_c - ratio p_s), which exp(l D) cancels; the second kind has -l for l. Related: bets on
    a bounded mean, Waudby-Smith & Ramdas, JRSS-B 86 (2024), 1-27, section 4.
    """
    stake = _SIGNED_LEVELS * ratio * (e_c / e_s)
    placed = x_c * _LOG_LOSS + x_s * np.log1p(np.maximum(stake, -_MOST))
    return np.where(stake < -_MOST, stake * e_s, placed)


def prior(
    p_c: ArrayLike, p_s: ArrayLike, ratio: ArrayLike = 1.0, absolute: ArrayLike = 0.0
) -> Array:
    """Compute prior weights from shares in stable's past: (...) -> (..., 12), summing to one.

    They prefer the levels that would grow fastest, per canary request, if the canary changed
    nothing and the arms had equal traffic: p_c log(1 - l) + p_s log(1 + l ratio) + l absolute, the
    expectation of `gain` and of the margin in `log_safe`. The guarantee holds for any weights that
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
    `gain`'s supermartingales, and Ville's inequality bounds that (`ratio_test.log_harm`).
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
    """Compute an anytime lower bound of the excess D: (..., 12) -> (...), a count.

    B are the sums of the second kind of bets of `gain`. It is `excess_bound` of -D, negated.
    """
    return -excess_bound(B, alpha)
