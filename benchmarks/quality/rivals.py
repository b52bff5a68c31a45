"""Rejected harm tests for pods that differ, to compare with the shipped one."""

from __future__ import annotations

import numpy as np

from analysis.dispersion import tempering
from analysis.dispersion.tempering import Noise
from analysis.rates import ratio_test
from analysis.rates.robust_test import ArmCounts
from benchmarks.worlds.draws import Array

WIDE = 1.645
"""Standard deviations of lasting pod differences by which `margins` widens the margin."""

_LEAST = 1e-6  # least overdispersion, so that the beta distribution's size is finite


def margins(noise: Noise, counts: ArmCounts) -> Array:
    """Return the ratio test's log e-process with gains over phi and a widened margin.

    The margin is widened for lasting differences between pods; phi is the larger of the inflations
    by clusters and by pods. The shape is (rollouts, looks), as that of the counts; there is one
    dispersion for each rollout.
    """
    e_c, e_s, x_c, x_s = (np.asarray(v, dtype=np.float64) for v in counts)
    share, n = e_c / np.maximum(e_c + e_s, 1), x_c + x_s
    wide = np.exp(WIDE * np.sqrt(noise.lasting * noise.arms))[:, None]
    long_run = noise.arms * (noise.brief + noise.passing)
    phi = np.maximum(noise.cluster[:, None], 1 + n * share * (1 - share) * long_run[:, None])
    ratio = np.broadcast_to(wide, e_c.shape)
    gains = ratio_test.increment(*counts, ratio=ratio) / phi[..., None]
    return ratio_test.log_harm(gains.cumsum(axis=1))


def beta_binomial(noise: Noise, counts: ArmCounts) -> Array:
    """Return the log of the beta-binomial likelihood ratio, tempered: (rollouts, looks).

    Given a look's n bad units the canary's are beta-binomial with mean n q and variance phi times
    the binomial's, phi = `tempering.inflation`; q = theta rho / (1 + theta rho) against theta = 1.
    It is a test martingale if the looks are independent and so distributed. Related: Skellam,
    JRSS-B 10 (1948), 257-261.
    """
    e_c, e_s, x_c, x_s = (np.asarray(v, dtype=np.float64) for v in counts)
    both, n = (e_c > 0) & (e_s > 0), x_c + x_s
    rho = e_c / np.maximum(e_s, 1)
    noise_by_look = Noise(*(component[:, None] for component in noise))
    expected_n, q = tempering.expected(e_c, e_s, x_s)
    extra = (tempering.inflation(noise_by_look, n, q) - 1) / np.maximum(n - 1, 1)
    size = 1 / np.clip(extra, _LEAST, 1 - _LEAST) - 1
    logs = [_compute_log_likelihood(x_c, n, p, size) for p in _compute_shares(rho)]
    gains = np.where(both[..., None], np.stack(logs[1:], axis=-1) - logs[0][..., None], 0.0)
    information = expected_n * q * (1 - q) / tempering.inflation(noise_by_look, expected_n, q)
    log_divisor = tempering.total(noise_by_look, np.where(both, information, 0.0).cumsum(axis=1))
    return ratio_test.log_harm(gains.cumsum(axis=1) / log_divisor[..., None])


def _compute_shares(rho: Array) -> list[Array]:
    """Return the canary's share of bad units, if harmless and at each point of the ratio test."""
    odds = [theta * rho for theta in (1.0, *ratio_test.POINTS)]
    return [np.clip(ratio / (1 + ratio), 1e-12, 1 - 1e-12) for ratio in odds]


def _compute_log_likelihood(x: Array, n: Array, share: Array, size: Array) -> Array:
    """Return the log of the beta-binomial probability of x in n, up to a constant in the share."""
    from scipy.special import betaln

    a, b = share * size, (1 - share) * size
    return np.asarray(betaln(x + a, n - x + b) - betaln(a, b))
