"""Tempering: how far differences between pods reduce the weight of a look's evidence."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from analysis.dispersion.dispersion import Dispersion

Array = NDArray[np.float64]


class Noise(NamedTuple):
    """Dispersions as arrays of one shape (...), which is () for a single dispersion.

    `arms` converts a variance between pods to that of the arms' log ratio: 1 / k_c + 1 / k_s.
    `rate` and `unexcluded` are NaN where older journals do not tell them.
    """

    cluster: Array
    brief: Array
    passing: Array
    lasting: Array
    inflation: Array
    block: Array
    pods_canary: Array
    pods_stable: Array
    trouble: Array
    rate: Array
    unexcluded: Array

    @property
    def arms(self) -> Array:
        """1 / k_c + 1 / k_s, (...). Derived here: a mean over k pods has 1/k of the variance."""
        return 1 / self.pods_canary + 1 / self.pods_stable

    @property
    def lasting_of_arms(self) -> Array:
        """The variance of the arms' log ratio by differences that last, (...).

        Derived here: `lasting` is a pod's; `arms` converts it.
        """
        return self.lasting * self.arms


@lru_cache(maxsize=256)
def noise(dispersion: Dispersion) -> Noise:
    """Convert one dispersion to numbers, which count as arrays of shape ()."""
    return Noise(*(floats(getattr(dispersion, f)) for f in Noise._fields))


def inflation(noise: Noise, n: ArrayLike, share: ArrayLike, unlearnt: ArrayLike = 0.0) -> Array:
    """Compute the variance ratio of the canary's bad units to independent ones: (...), >= 1.

    max(min(n, cluster), 1 + n q (1-q) brief arms) + n q (1-q) passing arms + `unlearnt`, given n
    bad units of both arms, with q = `share` the canary's expected share of them. Derived here: to
    first order the log rates of the arms differ by a variable of variance brief arms, which adds
    (n q (1-q))^2 brief arms to the n q (1-q) of independent units. Dividing a look's log-capital by
    K is exact for clusters of at most K bad units (by Jensen's inequality it is one bet per cluster
    at most) and approximate for larger ones.

    The ratio grows with n, so that an incident common to both arms never weighs more than the
    differences between pods allow. The cluster is at most n, so that bad units that come one at a
    time count in full.
    """
    units, q = floats(n), floats(share)
    split = units * q * (1 - q) * noise.arms
    alone = np.maximum(1.0, np.minimum(units, noise.cluster))
    return np.maximum(alone, 1 + split * noise.brief) + split * noise.passing + floats(unlearnt)


def inflation_at_known_n(
    noise: Noise, n: ArrayLike, share: ArrayLike, unlearnt: ArrayLike = 0.0
) -> Array:
    """Compute `inflation` at an `n` known before the look, with full clusters: (...), >= 1.

    max(cluster, 1 + n q (1-q) brief arms) + n q (1-q) passing arms + `unlearnt`. The evidence of
    safety is divided by it: a weight that falls with a look's own bad units would be biased towards
    calling a harmful canary safe.
    """
    split = floats(n) * floats(share) * (1 - floats(share)) * noise.arms
    spread = np.maximum(noise.cluster, 1 + split * noise.brief) + split * noise.passing
    return spread + floats(unlearnt)


def unlearnt(noise: Noise, e_c: ArrayLike, absolute: ArrayLike) -> Array:
    """Compute the variance ratio that is added for bad units such as stable's past had too few of.

    It is e_c (absolute - rate)+ unexcluded / k_c: (...), >= 0. Where an absolute margin allows more
    bad units than stable ever had, its past tells little of how so many of them would come.

    Derived here: m units of one arm whose relative rate varies by v per pod have the variance
    m + m^2 v / k_c. It depends on exposures alone, so that where requests are independent the
    divided test is exact still (Jensen); that v is at most `unexcluded` is an assumption.
    """
    beyond = floats(absolute) - noise.rate
    added = floats(e_c) * beyond * noise.unexcluded / noise.pods_canary
    # NaN, of an older journal, is not above 0.
    if added.ndim == 0:  # a tenth of the time of an array's choice
        return added if beyond > 0 else floats(0.0)
    return np.where(beyond > 0, added, 0.0)


def inflation_alone(noise: Noise, e_c: ArrayLike, limit: ArrayLike) -> Array:
    """Compute the variance ratio of the canary's bad units at a limit, without stable: (...), >= 1.

    max(cluster, 1 + m brief / k_c) + m passing / k_c + `unlearnt`, with m = e_c min(limit, rate)
    the bad units that are as stable's past has shown them. Derived here: as `unlearnt`, the
    variance of one arm; it depends on exposures alone too.
    """
    units = floats(e_c) * np.minimum(floats(limit), noise.rate) / noise.pods_canary
    spread = np.maximum(noise.cluster, 1 + units * noise.brief) + units * noise.passing
    return np.asarray(spread + unlearnt(noise, e_c, limit))[()]


def expected(
    e_c: ArrayLike,
    e_s: ArrayLike,
    x_s: ArrayLike,
    ratio: ArrayLike = 1.0,
    absolute: ArrayLike = 0.0,
) -> tuple[Array, Array]:
    """Predict the bad units of both arms and the canary's share at its margin: (...), (...).

    Only stable's counts are used, so that the canary's bad units cannot change their own weight.

    Derived here: with odds u = ratio e_c / e_s the canary expects u x_s + absolute e_c bad units.
    """
    odds = floats(ratio) * floats(e_c) / np.maximum(floats(e_s), 1)
    return floats(x_s) * (1 + odds) + floats(absolute) * floats(e_c), odds / (1 + odds)


def total(noise: Noise, information: ArrayLike) -> Array:
    """Compute the divisor of all tempered log-capital: 1 + V lasting arms, shape (...).

    It accounts for differences that last a pod's life. `information` V is the sum of
    n q (1-q) / inflation, the precision of the log ratio of the arms.
    Derived here: if lasting differences move that log ratio by a normal u of variance tau^2, the
    Bayes factor of an effect d against none, both integrated over u, is (S d - V d^2 / 2) /
    (1 + V tau^2): the log likelihood ratio of requests alone, divided. It is a martingale under its
    model.
    """
    return 1 + floats(information) * noise.lasting_of_arms


def floats(values: ArrayLike) -> Array:
    """Convert `values` to float64, (...); shape () becomes a scalar, which is faster in NumPy."""
    converted: Array = np.asarray(values, dtype=np.float64)[()]
    return converted
