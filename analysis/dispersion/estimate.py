"""Dispersion: how much the pods of one version differ, estimated from stable's past."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from analysis.counting.counts import EvidenceError
from analysis.dispersion.dispersion import WINDOWS, Dispersion
from analysis.dispersion.lasting import find_lasting
from analysis.dispersion.moments import Moments, alive, lifelong_moments, moments

Array = NDArray[np.float64]

LEAST_TICKS = 480
"""Least ticks of history for an estimate; 1440 (12 h of 30 s) are recommended."""

MANY_PODS = 99
"""With so many pods in the history, one canary pod can be ranked among them at alpha .01."""

ONE_POD = (
    "the canary has one pod, and stable's pods differ for good: no test can tell a bad version "
    "from a bad pod; give the canary two pods"
)
SHORT = "stable's pods have a history of {ticks} ticks, {least} are needed to know how pods differ"
MOST_RESTLESS = 4.0
"""Long-run variance of a pod's relative rate that is assumed at most where the past shows none.

It is that of an AR(1) of sd .4 with a memory of 10 looks; bad spells of 3 looks have 5.5.
"""

LONELY = "stable has one pod, so nothing is known of how pods differ"
SILENT = "stable's pods have no exposures in their history"

_ENOUGH = 8  # pods; with fewer, the estimate of `brief` is widened
# Prior of the cluster size: `_PRIOR` bad units with the dispersion `_CLUSTERED`, because a few bad
# units that came alone do not prove independence.
_PRIOR = 5.0
_CLUSTERED = 9.0
_BAR = float(np.sqrt(2 * np.log(100)))  # standard deviations at which a normal effect is decided


@dataclass(frozen=True)
class ExposureHistory:
    """Stable's pods before the rollout, one tick = the plan's interval, oldest first.

    `exposures` and `bad` are counts of shape (ticks, pods); a pod that did not exist has zeros.
    """

    exposures: ArrayLike
    bad: ArrayLike


def estimate(history: ExposureHistory, pods_canary: int) -> Dispersion:
    """Estimate a rate's dispersion among stable's pods, for a canary of `pods_canary` pods.

    The method of moments, conditional on the totals of windows of m ticks so that the base rate
    cancels, solves
    E sum_k (x_k - n pi_k)^2 = cluster n (1 - sum pi^2) (1 - n/e) + n^2 psi_m S, with
    S = sum pi^2 - 2 sum pi^3 + (sum pi^2)^2. The variance of means over m ticks is
    psi_m = lasting + (long-run variance) / m once m is longer than the memory. One bad spell of one
    pod is no part of what lasts (`lasting.find_lasting`).

    Derived here: given n, x_k has the requests' variance cluster n pi_k (1 - pi_k), times the
    finite-population correction (1 - n/e), and n^2 times that of the rates 1 + u_k with their mean
    removed: the variance of pi_k (u_k - sum pi_j u_j), summed over k, is psi S.

    `lasting` is widened because a few pods say little about all pods: a Student variable with one
    degree of freedom less than the pods seen then exceeds the decision bar at alpha .01 as rarely
    as a normal one. `brief` is widened in the same way below eight pods, because some differences
    repeat in every tick, for example when each pod is scraped at its own moment.

    Raises:
        EvidenceError: counts are negative or not whole, shapes differ, or there are more bad units
            than exposures.
        ValueError: the canary has fewer than one pod.
    """
    e, x = checked(history.exposures, history.bad)
    problem = _find_problem(e, pods_canary)
    pods, ticks = alive(e), len(e)
    if problem:
        return Dispersion(pods_canary=pods_canary, pods_stable=pods, ticks=ticks, problem=problem)
    per_tick, whole = moments(e, x, 1), lifelong_moments(e, x, WINDOWS[-1])
    windows = {m: moments(e, x, m) for m in WINDOWS}
    n = float(x.sum() / max(1, (e > 0).sum()))
    stays = find_lasting(e, x)
    cluster = _estimate_cluster(per_tick, stays)
    pods_seen = int((e.sum(axis=0) > 0).sum())
    sums = {
        m: m * w.most(cluster, find_error(n * m / pods, ticks // m * (pods - 1)), stays)
        for m, w in {1: per_tick, **windows}.items()
    }
    brief = max(0.0, per_tick.spread - stays) * max(
        1.0, _compute_widening(pods_seen) / _compute_widening(_ENOUGH)
    )
    passing = max(0.0, *(m * (w.beyond(cluster) - stays) for m, w in windows.items()))
    return Dispersion(
        cluster=cluster,
        brief=brief,
        passing=passing,
        lasting=stays * _compute_widening(pods_seen),
        inflation=max(cluster, *(_compute_inflation(w, stays) for w in windows.values())),
        pods_canary=pods_canary,
        pods_stable=pods,
        ticks=ticks,
        problem=ONE_POD
        if pods_canary == 1 and _has_lasting_differences(whole, stays, pods_seen)
        else "",
        rate=float(x.sum() / e.sum()),
        unexcluded=max(brief + passing, min(MOST_RESTLESS, max(sums.values()))),
    )


def _estimate_cluster(per_tick: Moments, stays: float) -> float:
    """Estimate the Pearson dispersion within ticks, without lasting differences.

    A prior of clustered bad units keeps sparse data from looking independent.
    """
    if per_tick.independent <= 0:
        return _CLUSTERED
    weighted = max(1.0, _compute_inflation(per_tick, stays)) * per_tick.independent
    return (weighted + _PRIOR * _CLUSTERED) / (per_tick.independent + _PRIOR)


def find_error(n: float, freedom: int) -> float:
    """Return the relative standard error of windows' squares, with n bad units in each.

    Derived here: a Poisson count's squared deviation has the variance (2 + 1/n) n^2.
    """
    return float(np.sqrt((2 + 1 / max(n, 1e-9)) / max(freedom, 1)))


def _compute_inflation(window: Moments, stays: float) -> float:
    if window.independent <= 0:
        return 1.0
    return (window.squares - stays * window.per_variance) / window.independent


def _compute_widening(pods: int) -> float:
    from scipy.special import stdtrit  # importing it takes 0.7 s, so only on use

    return max(1.0, float(stdtrit(pods - 1, 0.996)) / _BAR) ** 2


def _has_lasting_differences(whole: Moments, stays: float, pods: int) -> bool:
    """Whether lasting differences exceed two standard errors, with too few pods to rank one."""
    if whole.per_variance <= 0 or pods >= MANY_PODS:
        return False
    noise = whole.independent / whole.per_variance * np.sqrt(2 / (pods - 1))
    return bool(stays > 2 * noise)


def _find_problem(e: Array, pods_canary: int) -> str:
    if pods_canary < 1:
        raise ValueError("a canary has at least one pod")
    if len(e) < LEAST_TICKS:
        return SHORT.format(ticks=len(e), least=LEAST_TICKS)
    if not e.any():
        return SILENT
    return LONELY if alive(e) < 2 else ""


def checked(exposures: ArrayLike, bad: ArrayLike) -> tuple[Array, Array]:
    """Convert counts to float64, (ticks, pods, ...); raises EvidenceError if they are invalid."""
    e, x = (np.asarray(v, dtype=np.float64) for v in (exposures, bad))
    if e.ndim < 2 or e.shape != x.shape:
        raise EvidenceError("exposures and bad units need one shape (ticks, pods)")
    for counts in (e, x):
        if not np.isfinite(counts).all() or (counts != np.round(counts)).any():
            raise EvidenceError("a count is not a whole number")
        if (counts < 0).any():
            raise EvidenceError("a count is negative")
    if (x > e).any():
        raise EvidenceError("more bad units than exposures")
    return e, x
