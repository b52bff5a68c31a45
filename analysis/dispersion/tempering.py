"""Tempering: how much less a look's evidence is worth because pods differ by themselves."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from analysis.dispersion.estimate import Dispersion

Array = NDArray[np.float64]


class Noise(NamedTuple):
    """Dispersions as arrays of one shape (...), which is () for a single one.

    `arms` turns a variance of pods into one of the arms' log ratio: 1 / k_c + 1 / k_s.
    """

    cluster: Array
    brief: Array
    passing: Array
    lasting: Array
    inflation: Array
    block: Array
    pods_canary: Array
    pods_stable: Array

    @property
    def arms(self) -> Array:
        """1 / k_c + 1 / k_s, (...). Derived here: a mean of k pods has a k-th of the variance."""
        return 1 / self.pods_canary + 1 / self.pods_stable


@lru_cache(maxsize=256)
def noise(dispersion: Dispersion) -> Noise:
    """One dispersion: numbers, which count as arrays of shape ()."""
    return Noise(*(floats(getattr(dispersion, f)) for f in Noise._fields))


def noises(dispersions: Sequence[Dispersion]) -> Noise:
    """Many dispersions, one per rollout: arrays of shape (rollouts,)."""
    return Noise(*(np.array([getattr(d, f) for d in dispersions], float) for f in Noise._fields))


def inflation(found: Noise, n: ArrayLike, share: ArrayLike) -> Array:
    """Variance of the canary's bad units given n, to that of independent requests: (...), >= 1.

    max(min(n, cluster), 1 + n q (1-q) brief arms) + n q (1-q) passing arms, q = `share` the
    canary's expected share of the n bad units. Derived here: to first order the log of the arms'
    rates differs by a variable of variance brief arms, which adds (n q (1-q))^2 brief arms to the
    n q (1-q) of independent units. Dividing a look's log-capital by K is exact for
    clusters of at most K bad units (by Jensen's inequality it is one bet per cluster at most);
    beyond that it is approximate. It grows with n, so that no common incident weighs more than the
    pods' differences allow; n units are never more than one cluster, so that one at a time count in
    full.
    """
    units, q = floats(n), floats(share)
    split = units * q * (1 - q) * found.arms
    alone = np.maximum(1.0, np.minimum(units, found.cluster))
    return np.maximum(alone, 1 + split * found.brief) + split * found.passing


def steadied(found: Noise, n: ArrayLike, share: ArrayLike) -> Array:
    """As `inflation`, at an `n` known before the look, so that every cluster counts: (...), >= 1.

    max(cluster, 1 + n q (1-q) brief arms) + n q (1-q) passing arms. Safety is weighed with it: a
    weight that falls with a look's own bad units would lean towards calling harm safe.
    """
    split = floats(n) * floats(share) * (1 - floats(share)) * found.arms
    return np.maximum(found.cluster, 1 + split * found.brief) + split * found.passing


def expected(
    e_c: ArrayLike,
    e_s: ArrayLike,
    x_s: ArrayLike,
    ratio: ArrayLike = 1.0,
    absolute: ArrayLike = 0.0,
) -> tuple[Array, Array]:
    """Bad units of both arms, and the canary's share, if the canary is at its margin: (...), (...).

    Judged by stable alone, so that the canary's own bad units cannot change the weight they get.

    Derived here: with odds u = ratio e_c / e_s the canary expects u x_s + absolute e_c bad units.
    """
    odds = floats(ratio) * floats(e_c) / np.maximum(floats(e_s), 1)
    return floats(x_s) * (1 + odds) + floats(absolute) * floats(e_c), odds / (1 + odds)


def total(found: Noise, information: ArrayLike) -> Array:
    """What the sum of all tempered log-capital is divided by: 1 + V lasting arms, shape (...).

    `information` V is the sum of n q (1-q) / inflation, the precision of the log ratio of the arms.
    Derived here: if lasting differences move that log ratio by a normal u of variance tau^2, the
    Bayes factor of an effect d against none, both integrated over u, is (S d - V d^2 / 2) /
    (1 + V tau^2): the log likelihood ratio of requests alone, divided. It is a martingale under its
    model.
    """
    return 1 + floats(information) * found.lasting * found.arms


def floats(values: ArrayLike) -> Array:
    """The `values` as float64, (...); of shape () a number, with which NumPy is faster."""
    found: Array = np.asarray(values, dtype=np.float64)[()]
    return found
