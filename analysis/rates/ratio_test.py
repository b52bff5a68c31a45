"""The ratio test: sequential evidence that the canary's rate exceeds its margin."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from analysis.log_arrays import Array, Column, column, log_sum

POINTS: Array = np.array([1.5, 2.2, 3.5, 6.0, 12.0, 30.0])
"""Alternatives, as multiples of the margin's ratio; none gains below 1.23 times the margin."""

WEIGHTS: Array = np.array([0.20, 0.32, 0.20, 0.14, 0.09, 0.05])
"""Prior weights of the points; they sum to one, so that the mean starts at one.

Small effects take longest to detect, so they have the largest weights: at 2, 3 and 5 times the
margin the ratio test needs at most 1.14 times the requests of an SPRT that knows the effect
(docs/decisions/0019).
"""

_STEPS, _LOG_WEIGHTS = POINTS - 1.0, np.log(WEIGHTS)


def increment(
    e_c: ArrayLike,
    e_s: ArrayLike,
    x_c: ArrayLike,
    x_s: ArrayLike,
    *,
    ratio: ArrayLike = 1.0,
    absolute: ArrayLike = 0.0,
) -> Array:
    """Compute one look's log-capital per point; add it to the log-capital of earlier looks.

    It tests p_c <= ratio * p_s + absolute, where p are the arms' expected bad units per exposure.
    Per point theta, with theta0 = ratio, rho = e_c / e_s, n = x_c + x_s:

        x_c log(theta/theta0) - n log[(1 + theta rho) / (1 + theta0 rho)]
            - absolute e_c (theta - theta0) / [theta0 (1 + theta rho)]

    (The code computes it per bad unit of each arm, which loses no digits.)

    For every r > 0, E prod r^x <= exp((r - 1) sum p) (Bernoulli: prod(1 + p(r-1)); Poisson:
    equality). With r_c, r_s the factors per bad unit, (r_c - 1) e_c p_c + (r_s - 1) e_s p_s equals
    e_c (theta - theta0) / [theta0 (1 + theta rho)] times (p_c - theta0 p_s), and the margin bounds
    it by the last term. So exp of the sum is a test supermartingale on the whole composite null,
    for any changes of the base rate, with weights and stopping times that depend on the past.

    Derived here: the lines above are the formula and its proof. Related: Lindon & Malek, NeurIPS
    2022 (arXiv 2011.03567v2); Turner, Ly & Gruenwald, JSPI 230, 2024 (arXiv 2106.02693v3).

    Args:
        e_c: the canary's exposures in this look, shape (...), counts.
        e_s: stable's exposures.
        x_c: the canary's bad units.
        x_s: stable's bad units.
        ratio: theta0 >= 1.
        absolute: acceptable difference of shares, >= 0.

    Returns:
        Log-capital, shape (..., 6); all zero where either arm has no exposures.
    """
    canary, stable = column(e_c), column(e_s)
    both = (canary > 0) & (stable > 0)
    exposures = np.where(both, canary, 1.0), np.where(both, stable, 1.0)
    bad, margin = (column(x_c), column(x_s)), {"ratio": column(ratio), "absolute": column(absolute)}
    return np.where(both, gain(*exposures, *bad, **margin), 0.0)


def gain(
    e_c: Column, e_s: Column, x_c: Column, x_s: Column, *, ratio: Column, absolute: Column
) -> Array:
    """Compute `increment` of a look with exposures on both arms: each (..., 1) -> (..., 6)."""
    # 1 + stake and 1 + stake_stable are the factors r_c and 1 / r_s of `increment`, per bad unit.
    stake = _STEPS * (e_s / (e_s + ratio * POINTS * e_c))
    stake_stable = _STEPS * (ratio * e_c / (e_s + ratio * e_c))
    return x_c * np.log1p(stake) - x_s * np.log1p(stake_stable) - absolute * e_c * stake


def bet(
    logs: tuple[float, ...],
    counts: tuple[int, int, int, int],
    ratio: float,
    absolute: float,
    look_weight: float = 1.0,
) -> tuple[float, ...]:
    """Add a look's e_c, e_s, x_c and x_s to log-capital, if both arms have exposures.

    Derived here: it is `increment` of one look, times a weight of at most 1, with which it remains
    a test supermartingale (Jensen).
    """
    e_c, e_s, x_c, x_s = counts
    if not e_c or not e_s:
        return logs
    gained = gain(e_c, e_s, x_c, x_s, ratio=ratio, absolute=absolute)
    return tuple((logs + look_weight * gained).tolist())


def log_harm(logs: ArrayLike) -> Array:
    """Compute the log of the e-process: (..., 6) -> (...); roll back at log(1/alpha).

    It is the `log_arrays.log_mean` of the sums of `increment`. On the null,
    P(ever reaching 1/alpha) <= alpha.

    Source: Ville's inequality; Howard, Ramdas, McAuliffe & Sekhon, Probability Surveys 17 (2020),
    257-317.
    """
    return log_sum(np.asarray(logs, dtype=np.float64) + _LOG_WEIGHTS)
