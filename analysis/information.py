"""Information bounds: the least evidence that any test needs for a decision."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from analysis.counting.beyond import oriented
from analysis.histograms.alternatives import HistogramTolerance
from analysis.histograms.bucket_test import boundaries, shift_matrix
from analysis.histograms.edges import choose
from analysis.rates import ratio_test

PAST = 1e4
"""Units of stable assumed to precede the choice of edges for a running service."""

_ROUNDS = 60
_EXACT = 1e-9


def needed(divergence: float, error: float) -> float:
    """Compute the least expected canary units that any test with this error rate needs.

    log(1/error) / KL: an e-process of a null Q has E_P[log E] <= KL(P, Q) per unit (Wald's
    identity), and it must reach 1/error. Infinite where P equals Q.

    Source: Wald, Annals of Mathematical Statistics 16 (1945), 117-186, for the bound; Kullback &
    Leibler, Annals of Mathematical Statistics 22 (1951), 79-86, for the divergence.
    """
    return math.log(1 / error) / divergence if divergence > 0 else math.inf


def rate_divergence(
    p_c: float, p_s: float, ratio: float, absolute: float = 0.0, rho: float = 1.0
) -> float:
    """Compute KL per canary unit from true bad shares to the margin p_c = ratio p_s + absolute.

    It holds in both directions: for proof of harm when p_c lies above the margin, for proof of
    safety when it lies below. Both arms count, stable with 1/rho units per canary unit
    (rho = e_c / e_s):

        min over q of  k(p_c, ratio q + absolute) + k(p_s, q) / rho,

    k(p, q) = p log(p/q) - p + q, the Poisson divergence. The least favourable q is the positive
    root of a quadratic. With absolute = 0 this is n kl(q_theta || q_theta0), the conditional
    binomial divergence, with q_t = t rho / (1 + t rho) and n = p_c + p_s / rho bad units per canary
    unit; the ratio test needs 1.21, 1.36 and 1.50 times `needed` of it at a true ratio of 2, 5 and
    10 (alpha .01, ratio 1). Derived here: that root makes the derivative by
    q, ratio (1 - p_c / (ratio q + absolute)) + (1 - p_s / q) / rho, zero.
    """
    weight = 1 / rho
    a = (ratio + weight) * ratio
    b = (ratio + weight) * absolute - ratio * (p_c + weight * p_s)
    c = weight * p_s * absolute
    root = math.sqrt(b * b + 4 * a * c)
    q = (
        2 * c / (b + root) if b > 0 else (root - b) / (2 * a)
    )  # two forms of one root; each avoids cancellation
    return _poisson_divergence(p_c, ratio * q + absolute) + weight * _poisson_divergence(p_s, q)


def shape_divergence(p_c: ArrayLike, p_s: ArrayLike, rho: float = 1.0) -> float:
    """Compute KL per canary unit from two bucket distributions (K,), (K,) to a common one.

    kl(p_c, m) + kl(p_s, m) / rho with m = (rho p_c + p_s) / (1 + rho), the minimum over m. The
    bucket test would gain this per canary unit if it knew the canary's shares: it is the
    expectation of `bucket_test.gain` with q_a = p_c and q_s = p_s.
    """
    canary, stable = np.asarray(p_c, dtype=float), np.asarray(p_s, dtype=float)
    common = (rho * canary + stable) / (1 + rho)
    return _kl_divergence(canary, common) + _kl_divergence(stable, common) / rho


def harm_divergence(
    rule: HistogramTolerance,
    edges: tuple[float, ...],
    p_c: ArrayLike,
    p_s: ArrayLike,
    rho: float = 1.0,
) -> float:
    """Compute `shape_divergence` from stable moved by the tolerance, in nats per canary unit.

    Zero where the canary is not worse than that at any edge: the bucket test finds no harm there,
    however different the two are. `edges` are the finite ones; there is one share more, (K,), in
    the same order. Raises ValueError for a relative tolerance with an edge that is not positive.
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
    """Compute KL per canary unit of the proof of safety: the least `rate_divergence` of an edge.

    The edges are those that the guardrail would choose after 10,000 units of stable. Zero where it
    chooses none, or where the canary's share beyond an edge is not below stable's share beyond the
    edge's partner. Shares (K,), (K,) and the ValueError are as for `harm_divergence`.
    """
    cuts = boundaries(edges, rule.worse, relative=rule.relative)
    canary, stable = oriented(p_c, rule.worse), oriented(p_s, rule.worse)
    chosen = choose(np.rint(stable * PAST), cuts, rule.step)
    shares = [(canary[p.edge + 1 :].sum(), stable[p.partner + 1 :].sum()) for p in chosen]
    if not shares or any(bad >= reference for bad, reference in shares):
        return 0.0
    return min(rate_divergence(float(c), float(s), 1.0, 0.0, rho) for c, s in shares)


def least_flagged(p_s: float, ratio: float, absolute: float, rho: float = 1.0) -> float:
    """Find the smallest bad share that the ratio test ever flags, in expectation; at most 1.

    The ratio test bets on fixed alternatives, the nearest at 1.5 times the margin's ratio. A share
    slightly above the margin therefore loses capital at all of them: with rho near 0 and no
    absolute margin, below 1.23 times the margin. The result is found by bisection on the sign of
    the best point's expected `ratio_test.increment`.
    """
    low, high = min(1.0, ratio * p_s + absolute), 1.0
    for _ in range(_ROUNDS):
        middle = (low + high) / 2
        if _is_growing(middle, p_s, ratio, absolute, rho):
            high = middle
        else:
            low = middle
    return high


def _is_growing(p_c: float, p_s: float, ratio: float, absolute: float, rho: float) -> bool:
    """Whether any point's capital grows in expectation at these shares.

    Increments are linear in the counts, so shares in their place give the expectation.
    """
    gain = ratio_test.increment(rho, 1.0, rho * p_c, p_s, ratio=ratio, absolute=absolute)
    return bool(gain.max() > 0)


def _poisson_divergence(p: float, q: float) -> float:
    if q <= 0:
        return 0.0 if p <= 0 else math.inf
    return (p * math.log(p / q) if p > 0 else 0.0) - p + q


def _kl_divergence(p: np.ndarray, q: np.ndarray) -> float:
    positive = p > 0
    return float((p[positive] * np.log(p[positive] / q[positive])).sum())
