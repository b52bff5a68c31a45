"""How much evidence a question needs at least, whatever the test: information bounds."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from analysis.counting.orientation import oriented
from analysis.histograms.alternatives import HistogramTolerance
from analysis.histograms.bucket_test import boundaries, shift_matrix
from analysis.histograms.edges import choose
from analysis.rates import ratio_test

PAST = 1e4
"""Units of stable that a running service has seen when its edges are chosen."""

_ROUNDS = 60
_EXACT = 1e-9


def needed(divergence: float, error: float) -> float:
    """Least expected canary units before any test with this error rate can decide.

    log(1/error) / KL: an e-process of a null Q has E_P[log E] <= KL(P, Q) per unit (Wald's
    identity), and it must reach 1/error. Infinite where P and Q cannot be told apart.

    Source: Wald, Annals of Mathematical Statistics 16 (1945), 117-186, for the bound; Kullback &
    Leibler, Annals of Mathematical Statistics 22 (1951), 79-86, for the divergence.
    """
    return math.log(1 / error) / divergence if divergence > 0 else math.inf


def rate_divergence(
    p_c: float, p_s: float, ratio: float, absolute: float = 0.0, rho: float = 1.0
) -> float:
    """KL per canary unit between true bad shares and the margin p_c = ratio p_s + absolute.

    The same for both directions: proof of harm when p_c lies above the margin, of safety when it
    lies below. Both arms count, stable with 1/rho units per canary unit (rho = e_c / e_s):

        min over q of  k(p_c, ratio q + absolute) + k(p_s, q) / rho,

    k(p, q) = p log(p/q) - p + q, the Poisson divergence. The least favourable q is the positive
    root of a quadratic. With absolute = 0 this is n kl(q_theta || q_theta0), the conditional
    binomial divergence of `ratio_test.information`. Derived here: that root makes the derivative by
    q, ratio (1 - p_c / (ratio q + absolute)) + (1 - p_s / q) / rho, zero.
    """
    weight = 1 / rho
    a = (ratio + weight) * ratio
    b = (ratio + weight) * absolute - ratio * (p_c + weight * p_s)
    c = weight * p_s * absolute
    root = math.sqrt(b * b + 4 * a * c)
    q = 2 * c / (b + root) if b > 0 else (root - b) / (2 * a)  # the same, without cancellation
    return _poisson(p_c, ratio * q + absolute) + weight * _poisson(p_s, q)


def shape_divergence(p_c: ArrayLike, p_s: ArrayLike, rho: float = 1.0) -> float:
    """KL per canary unit between two bucket distributions (K,), (K,) and any common one.

    kl(p_c, m) + kl(p_s, m) / rho with m = (rho p_c + p_s) / (1 + rho), the minimum over m: what H
    would gain per canary unit if it knew the canary's shares, the expectation of
    `bucket_test.increment` with q_a = p_c and q_s = p_s.
    """
    canary, stable = np.asarray(p_c, dtype=float), np.asarray(p_s, dtype=float)
    common = (rho * canary + stable) / (1 + rho)
    return _kl(canary, common) + _kl(stable, common) / rho


def harm_divergence(
    rule: HistogramTolerance,
    edges: tuple[float, ...],
    p_c: ArrayLike,
    p_s: ArrayLike,
    rho: float = 1.0,
) -> float:
    """`shape_divergence` from stable moved by the tolerance; in nats per canary unit.

    Zero where the canary is worse than that at no edge: H finds no harm there, however different
    the two are. `edges` are the finite ones, shares (K,) one more, in their order. Raises
    ValueError: a relative tolerance with an edge that is not positive.
    """
    cuts = boundaries(edges, rule.worse, relative=rule.relative)
    canary, stable = oriented(p_c, rule.worse), oriented(p_s, rule.worse)
    allowed = stable @ shift_matrix(cuts, rule.step)
    better = canary.cumsum() >= allowed.cumsum() - _EXACT  # as many units up to every edge
    return 0.0 if better.all() else shape_divergence(canary, allowed, rho)


def safe_divergence(
    rule: HistogramTolerance,
    edges: tuple[float, ...],
    p_c: ArrayLike,
    p_s: ArrayLike,
    rho: float = 1.0,
) -> float:
    """KL per canary unit of the proof of safety: `rate_divergence` of the edge with the least.

    The edges are those that the guard would choose after a past of 10,000 units of stable. Zero
    where it finds none or where the canary is not better than stable beyond an edge's partner.
    Shares (K,), (K,) as for `harm_divergence`, and so is the ValueError.
    """
    cuts = boundaries(edges, rule.worse, relative=rule.relative)
    canary, stable = oriented(p_c, rule.worse), oriented(p_s, rule.worse)
    found = choose(np.rint(stable * PAST), cuts, rule.step)
    shares = [(canary[p.edge + 1 :].sum(), stable[p.partner + 1 :].sum()) for p in found]
    if not shares or any(bad >= reference for bad, reference in shares):
        return 0.0
    return min(rate_divergence(float(c), float(s), 1.0, 0.0, rho) for c, s in shares)


def least_flagged(p_s: float, ratio: float, absolute: float, rho: float = 1.0) -> float:
    """The canary's smallest bad share that R ever flags, in expectation; at most 1.

    R bets on fixed alternatives, the nearest 1.5 times the margin's ratio, so a share a little
    above the margin loses capital at every one of them: with rho near 0 and no absolute margin,
    below 1.23 times. Found by bisection on the sign of the best point's expected
    `ratio_test.increment`.
    """
    low, high = min(1.0, ratio * p_s + absolute), 1.0
    for _ in range(_ROUNDS):
        middle = (low + high) / 2
        if _grows(middle, p_s, ratio, absolute, rho):
            high = middle
        else:
            low = middle
    return high


def _grows(p_c: float, p_s: float, ratio: float, absolute: float, rho: float) -> bool:
    """Whether any point's capital grows at these shares; increments are linear in the counts."""
    gain = ratio_test.increment(rho, 1.0, rho * p_c, p_s, ratio=ratio, absolute=absolute)
    return bool(gain.max() > 0)


def _poisson(p: float, q: float) -> float:
    if q <= 0:
        return 0.0 if p <= 0 else math.inf
    return (p * math.log(p / q) if p > 0 else 0.0) - p + q


def _kl(p: np.ndarray, q: np.ndarray) -> float:
    seen = p > 0
    return float((p[seen] * np.log(p[seen] / q[seen])).sum())
