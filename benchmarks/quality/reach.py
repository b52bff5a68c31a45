"""Computes the greatest power that any test can have within a number of requests."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from benchmarks.worlds.draws import Array


class Miss(NamedTuple):
    """A cell beyond its bar; `wall` says why no test can meet the bar, empty if one can."""

    words: str
    wall: str = ""


def most_power(requests: float, p_c: float, p_s: float, rho: float, alpha: float) -> float:
    """Return the greatest chance of a rollback within so many canary requests, for any test.

    Any rule, sequential or not, that rolls back harmless canaries with probability alpha at most
    does so when both arms have the share q, and its chance to roll back within the requests is
    therefore at most the power of the most powerful test of that one null (Neyman & Pearson, Phil.
    Trans. A 231 (1933), 289-337). q is the pooled share; every q gives a bound. Counts are
    independent binomials, stable's of requests / rho exposures.

    Args:
        requests: the canary's, at least 1.
        p_c: the canary's true bad share, above p_s and below 1.
        p_s: stable's.
        rho: canary's exposures per exposure of stable.
        alpha: the declared chance of rolling back a harmless canary.
    """
    e_c, e_s = max(1, round(requests)), max(1, round(requests / rho))
    q = (e_c * p_c + e_s * p_s) / (e_c + e_s)
    (x_c, true_c, null_c), (x_s, true_s, null_s) = (
        _list_outcomes(e_c, p_c, q),
        _list_outcomes(e_s, p_s, q),
    )
    likely = np.add.outer(
        _compute_log_ratio(x_c, e_c, p_c, q), _compute_log_ratio(x_s, e_s, p_s, q)
    ).ravel()
    order = np.argsort(-likely)
    null = np.outer(null_c, null_s).ravel()[order].cumsum()
    true = np.outer(true_c, true_s).ravel()[order].cumsum()
    return float(np.interp(alpha, np.append(0.0, null), np.append(0.0, true)))


def _list_outcomes(e: int, p: float, q: float) -> tuple[Array, Array, Array]:
    """Return the bad counts that matter under either share, and their probability under each.

    Left out are the counts with a tail probability below 1e-9 under both shares.
    """
    from scipy.stats import binom

    low = min(binom.ppf(1e-9, e, share) for share in (p, q))
    high = max(binom.ppf(1 - 1e-9, e, share) for share in (p, q))
    x = np.arange(low, high + 1)
    return x, binom.pmf(x, e, p), binom.pmf(x, e, q)


def _compute_log_ratio(x: Array, e: int, p: float, q: float) -> Array:
    return np.asarray(x * np.log(p / q) + (e - x) * np.log((1 - p) / (1 - q)))
