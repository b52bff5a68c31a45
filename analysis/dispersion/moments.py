"""Second moments of pods' bad units given the totals of windows of ticks."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from analysis.dispersion.dispersion import WINDOWS

Array = NDArray[np.float64]

LUCK = 1.5
"""Standard errors up to which an excess of variance is luck."""


class Moments(NamedTuple):
    """Second moments of the pods' bad units given the totals of windows."""

    squares: float
    independent: float  # expected `squares` of independent requests
    per_variance: float  # added to the expected `squares` per unit variance of relative rates

    @property
    def spread(self) -> float:
        """Variance of the relative rates if requests are independent: `Moments.beyond` of 1."""
        return self.beyond(1.0)

    def beyond(self, cluster: float) -> float:
        """Compute the variance of relative rates not explained by `cluster`; may be negative.

        It solves the equation of `estimate.estimate` for psi.
        """
        if self.per_variance <= 0:
            return 0.0
        return (self.squares - cluster * self.independent) / self.per_variance

    def most(self, cluster: float, error: float, stays: float = 0.0) -> float:
        """Compute the variance of relative rates, beyond `cluster`, that luck does not exclude.

        It is `beyond` without the part that `stays`, at least 0, and `LUCK` standard errors;
        `error` is the squares' relative one. Infinite where the windows tell nothing.

        Derived here: an upper confidence limit of what `beyond` estimates.
        """
        if self.per_variance <= 0:
            return float("inf")
        luck = LUCK * error * cluster * self.independent / self.per_variance
        return max(0.0, self.beyond(cluster) - stays) + luck


def moments(e: Array, x: Array, m: int) -> Moments:
    """Compute moments over windows of m ticks; an incomplete window at the start is dropped.

    Exposures e and bad units x are counts, (ticks, pods). The moments are the three sums in the
    equation of `estimate.estimate`.
    """
    keep = len(e) // m * m
    return conditional_moments(*(v[-keep:].reshape(-1, m, v.shape[1]).sum(axis=1) for v in (e, x)))


def lifelong_moments(e: Array, x: Array, m: int) -> Moments:
    """Compute moments of all the time, given the totals of each window of m ticks.

    Pods live at different times, and so their rates would differ wherever the rate of all changes:
    a pod of the night, and one of the day. Given each window's totals that cancels. An incomplete
    window at the start is dropped; a pod that is alone in a window tells nothing there.

    Derived here: a pod's deviation is the sum of its windows' ones. With w_k = sum n pi_k and
    A_kj = sum n pi_k pi_j over windows, lasting differences u give w_k u_k - sum_j A_kj u_j, whose
    variance, summed over k, is psi times the squared entries of diag(w) - A. One window gives the
    sums of `conditional_moments`.
    """
    keep = len(e) // m * m
    e, x = (v[-keep:].reshape(-1, m, v.shape[1]).sum(axis=1) for v in (e, x))
    exposures, n = e.sum(axis=1), x.sum(axis=1)
    share = e / np.maximum(exposures, 1.0)[:, None]
    expected = n[:, None] * share
    squares = ((x - expected).sum(axis=0) ** 2).sum()
    two = (share**2).sum(axis=1)
    independent = (n * (1 - two) * (1 - n / np.maximum(exposures, 1.0))).sum()
    effects = np.diag(expected.sum(axis=0)) - share.T @ expected
    return Moments(float(squares), float(independent), float((effects**2).sum()))


def conditional_moments(e: Array, x: Array, *, detrended: bool = False) -> Moments:
    """Compute moments given each row's totals; exposures e and bad units x are (rows, columns).

    `detrended` takes a straight line along each row's columns off its deviations, so that a steady
    change costs nothing; what independent columns give falls by the degree of freedom lost.

    Derived here: the sums of `estimate.estimate`'s equation, with columns in the pods' place.
    """
    exposures, n = e.sum(axis=1), x.sum(axis=1)
    share = e / np.maximum(exposures, 1.0)[:, None]
    two, three = (share**2).sum(axis=1), (share**3).sum(axis=1)
    deviations = x - n[:, None] * share
    squares, freedom = (deviations**2).sum(), 1.0
    if detrended:
        columns = e.shape[1]
        line = np.arange(columns) - (columns - 1) / 2
        squares -= ((deviations @ line) ** 2).sum() / (line**2).sum()
        freedom = (columns - 2) / (columns - 1)
    independent = n * (1 - two) * (1 - n / np.maximum(exposures, 1.0))
    per_variance = n**2 * (two - 2 * three + two**2)
    return Moments(float(squares), *(float(freedom * v.sum()) for v in (independent, per_variance)))


def alive(e: Array) -> int:
    """Count the pods that share the traffic at a time, on average over windows.

    The effective number of pods in a window is (sum e)^2 / sum e^2. Exposures are (ticks, pods);
    the result is 0 without exposures.
    """
    if len(e) < 1:
        return 0
    window = min(WINDOWS[-1], len(e))
    keep = len(e) // window * window
    sums = e[-keep:].reshape(-1, window, e.shape[1]).sum(axis=1)
    sums = sums[sums.any(axis=1)]
    return round(float((sums.sum(axis=1) ** 2 / (sums**2).sum(axis=1)).mean())) if len(sums) else 0
