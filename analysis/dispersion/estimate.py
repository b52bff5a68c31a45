"""Dispersion: how far the pods of one version differ by themselves, learnt from stable's past."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from analysis.counting.counts import EvidenceError
from analysis.dispersion.moments import WINDOWS, Moments, alive, moments

Array = NDArray[np.float64]

LEAST_TICKS = 480
"""Ticks of history without which no dispersion is known; 1440 (12 h of 30 s) are wanted."""

MANY_PODS = 99
"""With so many pods in the history, one canary pod can be ranked among them at alpha .01."""

ONE_POD = (
    "the canary has one pod, and stable's pods differ for good: no test can tell a bad version "
    "from a bad pod; give the canary two pods"
)
SHORT = "stable's pods have a history of {ticks} ticks, {least} are needed to know how pods differ"
LONELY = "stable has one pod, so nothing is known of how pods differ"
SILENT = "stable's pods have no exposures in their history"

_ENOUGH = 8  # pods; of fewer, what each does in its own way in an incident is known too badly
_PRIOR = 5.0  # bad units that count as if they had come in clusters of
_CLUSTERED = 9.0  # this dispersion: what a few units show is no proof of independence
_BAR = float(np.sqrt(2 * np.log(100)))  # standard deviations that a normal effect needs to win
_UNSEEN = 16.0  # ticks that differences last if one tick is too short to show them


@dataclass(frozen=True)
class ExposureHistory:
    """Stable's pods before the rollout, one tick = the plan's interval, oldest first.

    `exposures` and `bad` are counts of shape (ticks, pods); a pod that did not live has zeros.
    """

    exposures: ArrayLike
    bad: ArrayLike


@dataclass(frozen=True)
class Dispersion:
    """What pods do by themselves: plain numbers, ready for JSON.

    `cluster`: variance of a pod's bad units within a tick per bad unit; 1 if they come alone.
    `brief`: variance of a pod's rate, relative to the pods' mean, from tick to tick.
    `passing`: what lasts longer than a tick adds to that variance in the long run, per tick.
    `lasting`: variance of what stays for a pod's life, widened for the number of pods seen.
    `inflation`: variance of the pods' totals, beyond `lasting`, to that of independent requests.
    Numbers of pods are those among whom the traffic is shared at a time. `problem`: why there is
    no valid test of harm or safety; empty if there is one. For a histogram the unit is not a bad
    unit but any unit, and its rate the probit of the share beyond an edge.
    """

    cluster: float = 1.0
    brief: float = 0.0
    passing: float = 0.0
    lasting: float = 0.0
    inflation: float = 1.0
    pods_canary: int = 1
    pods_stable: int = 1
    ticks: int = 0
    problem: str = ""

    @property
    def block(self) -> int:
        """Looks after which a share bet is settled: half the time that differences last."""
        if self.passing <= 0:
            return 1
        lasts = self.passing / self.brief if self.brief > 0 else _UNSEEN
        return int(np.clip(np.ceil((1 + lasts) / 2), 1, WINDOWS[-1]))


def estimate(history: ExposureHistory, pods_canary: int) -> Dispersion:
    """The dispersion of a rate among stable's pods, for a canary of `pods_canary` pods.

    Method of moments, conditional on the totals of windows of m ticks, so that the base rate
    cancels: E sum_k (x_k - n pi_k)^2 = cluster n (1 - sum pi^2) (1 - n/e) + n^2 psi_m S, with
    S = sum pi^2 - 2 sum pi^3 + (sum pi^2)^2. The variance of means over m ticks is
    psi_m = lasting + (long-run variance) / m once m is longer than the memory.

    Derived here: given n, x_k has the variance cluster n pi_k (1 - pi_k) of requests, less the
    (1 - n/e) of a finite number of them, and n^2 psi of rates (1 + u_k) whose mean is taken off:
    the variance of pi_k (u_k - sum pi_j u_j), summed over k, is psi S.

    `lasting` is widened so that a Student variable with one degree of freedom less than pods seen
    is as rarely beyond what wins at alpha .01 as a normal one: a few pods tell little of all pods.
    `brief` is widened in the same way below eight pods: scrapes at a pod's own moment, say, differ
    in every tick but always in the same way.

    Raises:
        EvidenceError: no whole, non-negative counts, shapes that differ, more bad units than
            exposures.
        ValueError: fewer than one canary pod.
    """
    e, x = checked(history.exposures, history.bad)
    problem = _unknown(e, pods_canary)
    pods, ticks = alive(e), len(e)
    if problem:
        return Dispersion(pods_canary=pods_canary, pods_stable=pods, ticks=ticks, problem=problem)
    one, whole = moments(e, x, 1), moments(e, x, ticks)
    windows = {m: moments(e, x, m) for m in WINDOWS}
    last = WINDOWS[-1]
    stays = max(0.0, (ticks * whole.spread - last * windows[last].spread) / (ticks - last))
    cluster = _cluster(one, stays)
    seen = int((e.sum(axis=0) > 0).sum())
    return Dispersion(
        cluster=cluster,
        brief=max(0.0, one.spread - stays) * max(1.0, _widened(seen) / _widened(_ENOUGH)),
        passing=max(0.0, *(m * (w.beyond(cluster) - stays) for m, w in windows.items())),
        lasting=stays * _widened(seen),
        inflation=max(cluster, *(_ratio(w, stays) for w in windows.values())),
        pods_canary=pods_canary,
        pods_stable=pods,
        ticks=ticks,
        problem=ONE_POD if pods_canary == 1 and _differ(whole, stays, seen) else "",
    )


def _cluster(one: Moments, stays: float) -> float:
    """Pearson dispersion within ticks, beyond lasting differences, with a prior for sparse data."""
    if one.independent <= 0:
        return _CLUSTERED
    seen = max(1.0, _ratio(one, stays)) * one.independent
    return (seen + _PRIOR * _CLUSTERED) / (one.independent + _PRIOR)


def _ratio(window: Moments, stays: float) -> float:
    if window.independent <= 0:
        return 1.0
    return (window.squares - stays * window.per_variance) / window.independent


def _widened(pods: int) -> float:
    from scipy.special import stdtrit  # 0.7 s: only where it is used

    return max(1.0, float(stdtrit(pods - 1, 0.996)) / _BAR) ** 2


def _differ(whole: Moments, stays: float, pods: int) -> bool:
    """Whether lasting differences are seen (by two standard errors) among too few pods to rank."""
    if whole.per_variance <= 0 or pods >= MANY_PODS:
        return False
    noise = whole.independent / whole.per_variance * np.sqrt(2 / (pods - 1))
    return bool(stays > 2 * noise)


def _unknown(e: Array, pods_canary: int) -> str:
    if pods_canary < 1:
        raise ValueError("a canary has at least one pod")
    if len(e) < LEAST_TICKS:
        return SHORT.format(ticks=len(e), least=LEAST_TICKS)
    if not e.any():
        return SILENT
    return LONELY if alive(e) < 2 else ""


def checked(exposures: ArrayLike, bad: ArrayLike) -> tuple[Array, Array]:
    """Counts as float64, each (ticks, pods, ...); raises EvidenceError where they are none."""
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
