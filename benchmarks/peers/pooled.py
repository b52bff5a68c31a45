"""Tests of pooled shares at every look: the z-test and GrowthBook's sequential interval."""

from __future__ import annotations

import numpy as np

from benchmarks.peers.rule import Array, Rule
from benchmarks.worlds.rates import Streams

TUNING = 5000.0
"""GrowthBook's default: the sample size at which its sequence is narrowest."""


def _pool(streams: Streams) -> tuple[Array, Array, Array, Array]:
    """Return the totals so far: exposures (at least 1) and bad shares of both arms."""
    e_c, x_c, e_s, x_s = (counts.cumsum(axis=-1).astype(np.float64) for counts in streams)
    n_c, n_s = np.maximum(e_c, 1), np.maximum(e_s, 1)
    return n_c, n_s, x_c / n_c, x_s / n_s


def z(streams: Streams, _alpha: float) -> Array:
    """Return the two-proportion z statistic with a pooled variance; 0 if the variance is 0."""
    n_c, n_s, p_c, p_s = _pool(streams)
    p = (p_c * n_c + p_s * n_s) / (n_c + n_s)
    error = np.sqrt(p * (1 - p) * (1 / n_c + 1 / n_s))
    return np.where(error > 0, (p_c - p_s) / np.where(error > 0, error, 1), 0.0)


def _compute_z_limit(alpha: float) -> float:
    from scipy.special import ndtri

    return float(-ndtri(alpha))


def sequence(streams: Streams, alpha: float) -> Array:
    """Return the difference over the half-width of the asymptotic confidence sequence.

    Waudby-Smith et al., arXiv 2103.06476v7: mixing parameter eq. 161 (with 2 alpha, for one side),
    half-width eq. 134, applied to the pooled difference with n = n_c + n_s and the variance of its
    estimator times n. Above 1 the canary is called worse.
    """
    n_c, n_s, p_c, p_s = _pool(streams)
    n = n_c + n_s
    spread = n * (p_c * (1 - p_c) / n_c + p_s * (1 - p_s) / n_s)
    log = -2 * np.log(2 * alpha)
    rho2 = (log + np.log(log + 1)) / TUNING
    mixed = n * rho2 + 1
    half = np.sqrt(2 * spread * mixed / (n**2 * rho2) * np.log1p(np.sqrt(mixed) / (2 * alpha)))
    return np.where(half > 0, (p_c - p_s) / np.where(half > 0, half, 1), 0.0)


Z_TEST = Rule(z, _compute_z_limit, declared=True)
GROWTHBOOK = Rule(sequence, lambda _alpha: 1.0, declared=True)
