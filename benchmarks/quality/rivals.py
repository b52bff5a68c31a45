"""Harm tests for pods that differ which are compared with the shipped one, and lost."""

from __future__ import annotations

import numpy as np

from analysis.dispersion import tempering
from analysis.dispersion.tempering import Noise
from analysis.rates import ratio_test
from analysis.rates.robust_test import ArmCounts
from benchmarks.worlds.draws import Array

WIDE = 1.645
"""Standard deviations of what lasts by which `margins` widens the margin."""

_LEAST = 1e-6  # of overdispersion, so that the beta distribution has an end


def margins(noise: Noise, counts: ArmCounts) -> Array:
    """R / phi with a margin widened for what lasts; phi the larger of clusters and pods.

    Log of the e-process after each look, (rollouts, looks) as the counts; one dispersion for each
    rollout.
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
    """The likelihood ratio of beta-binomial shares, divided by what lasts: (rollouts, looks).

    Given a look's n bad units the canary's are beta-binomial with mean n q and variance phi times
    the binomial's, phi = `tempering.inflation`; q = theta rho / (1 + theta rho) against theta = 1.
    A test martingale if that is their distribution in each look, independently. Related: Skellam,
    JRSS-B 10 (1948), 257-261.
    """
    e_c, e_s, x_c, x_s = (np.asarray(v, dtype=np.float64) for v in counts)
    both, n = (e_c > 0) & (e_s > 0), x_c + x_s
    rho = e_c / np.maximum(e_s, 1)
    each = Noise(*(part[:, None] for part in noise))
    usual, q = tempering.expected(e_c, e_s, x_s)
    extra = (tempering.inflation(each, n, q) - 1) / np.maximum(n - 1, 1)
    size = 1 / np.clip(extra, _LEAST, 1 - _LEAST) - 1
    logs = [_likelihood(x_c, n, p, size) for p in _shares(rho)]
    gains = np.where(both[..., None], np.stack(logs[1:], axis=-1) - logs[0][..., None], 0.0)
    known = usual * q * (1 - q) / tempering.inflation(each, usual, q)
    calm = tempering.total(each, np.where(both, known, 0.0).cumsum(axis=1))
    return ratio_test.log_harm(gains.cumsum(axis=1) / calm[..., None])


def _shares(rho: Array) -> list[Array]:
    """The canary's share of bad units, if harmless and at each of R's points."""
    odds = [theta * rho for theta in (1.0, *ratio_test.POINTS)]
    return [np.clip(one / (1 + one), 1e-12, 1 - 1e-12) for one in odds]


def _likelihood(x: Array, n: Array, share: Array, size: Array) -> Array:
    """Log of the beta-binomial probability of x in n, without what does not depend on the share."""
    from scipy.special import betaln

    a, b = share * size, (1 - share) * size
    return np.asarray(betaln(x + a, n - x + b) - betaln(a, b))
