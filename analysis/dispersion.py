"""Dispersion: how far the pods of one version differ by themselves, learnt from stable's past."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from analysis.evidence import EvidenceError

Array = NDArray[np.float64]

WINDOWS = (1, 4, 16, 48)
"""Ticks over which pods are compared: differences that pass show how long they last."""

LEAST_TICKS = 480
"""Ticks of history without which no dispersion is known; 1440 (12 h of 30 s) are wanted."""

ONE_POD = (
    "the canary has one pod and pods differ for good: no test can tell a bad version from a bad "
    "pod; give the canary two pods"
)
SHORT = "the history of stable's pods has {ticks} ticks, {least} are needed"
LONELY = "stable has one pod, so nothing is known of how pods differ"


@dataclass(frozen=True)
class PodHistory:
    """Stable's pods before the rollout, one tick = the plan's interval, oldest first.

    `exposures` and `bad` are counts of shape (ticks, pods); a pod that did not live has zeros.
    """

    exposures: ArrayLike
    bad: ArrayLike


@dataclass(frozen=True)
class Dispersion:
    """What pods do by themselves: plain numbers, ready for JSON.

    `cluster`: variance of a pod's bad units per bad unit within a tick (1: independent requests).
    `passing`: long-run variance per tick of a pod's relative rate, of differences that pass.
    `lasting`: variance of a pod's relative rate that stays for the pod's life.
    `problem`: why no valid test of harm exists; empty if one does.
    """

    cluster: float = 1.0
    passing: float = 0.0
    lasting: float = 0.0
    pods_canary: int = 1
    pods_stable: int = 1
    ticks: int = 0
    problem: str = ""


class _Counts(NamedTuple):
    e: Array
    x: Array


def estimate(history: PodHistory, pods_canary: int) -> Dispersion:
    """The dispersion of stable's pods, for a canary of so many pods.

    Raises:
        EvidenceError: no counts, shapes that differ, more bad units than exposures.
        ValueError: fewer than one canary pod.
    """
    if pods_canary < 1:
        raise ValueError("a canary has at least one pod")
    counts = _checked(history)
    ticks, pods = counts.e.shape[0], _alive(counts.e)
    problem = _unknown(ticks, pods)
    if problem:
        return Dispersion(pods_canary=pods_canary, pods_stable=pods, ticks=ticks, problem=problem)
    spreads = {m: _spread(_windows(counts, m)) for m in WINDOWS}
    last, whole = WINDOWS[-1], _spread(_windows(counts, ticks))
    lasting = max(0.0, (ticks * whole - last * spreads[last]) / (ticks - last))
    passing = max(0.0, *(m * (spread - lasting) for m, spread in spreads.items()))
    return Dispersion(_cluster(counts), passing, lasting, pods_canary, pods, ticks)


def _unknown(ticks: int, pods: int) -> str:
    if ticks < LEAST_TICKS:
        return SHORT.format(ticks=ticks, least=LEAST_TICKS)
    return LONELY if pods < 2 else ""


def _checked(history: PodHistory) -> _Counts:
    e, x = (np.asarray(v, dtype=np.float64) for v in (history.exposures, history.bad))
    if e.ndim != 2 or e.shape != x.shape:
        raise EvidenceError("exposures and bad units need one shape (ticks, pods)")
    both = np.stack([e, x])
    if not np.isfinite(both).all() or (both != np.round(both)).any():
        raise EvidenceError("a count is not a whole number")
    if (both < 0).any():
        raise EvidenceError("a count is negative")
    if (x > e).any():
        raise EvidenceError("more bad units than exposures")
    return _Counts(e, x)


def _alive(e: Array) -> int:
    """Pods that share the traffic at one time, on average: (sum e)^2 / sum e^2 per tick."""
    total = e.sum(axis=1)
    squares = (e**2).sum(axis=1)
    seen = total > 0
    return round(float((total[seen] ** 2 / squares[seen]).mean())) if seen.any() else 0


def _windows(counts: _Counts, m: int) -> _Counts:
    """Sums over windows of m ticks; what is left at the beginning is dropped."""
    keep = counts.e.shape[0] // m * m
    return _Counts(*(v[-keep:].reshape(-1, m, v.shape[1]).sum(axis=1) for v in counts))


def _cluster(counts: _Counts) -> float:
    """Pooled Pearson dispersion of the pods' bad units given each tick's total."""
    squares, independent, _ = _moments(counts)
    return max(1.0, squares / independent) if independent > 0 else 1.0


def _spread(counts: _Counts) -> float:
    """Variance of the pods' relative rates within windows, beyond that of independent requests."""
    squares, independent, per_variance = _moments(counts)
    return (squares - independent) / per_variance if per_variance > 0 else 0.0


def _moments(counts: _Counts) -> tuple[float, float, float]:
    """Sum of (x_k - n pi_k)^2, what independent requests add to it, and what a unit variance of
    the relative rates adds; n the window's bad units, pi_k pod k's part of its exposures."""
    total = counts.e.sum(axis=1, keepdims=True)
    n = counts.x.sum(axis=1)
    share = counts.e / np.maximum(total, 1.0)
    two, three = (share**2).sum(axis=1), (share**3).sum(axis=1)
    squares = ((counts.x - n[:, None] * share) ** 2).sum(axis=1)
    spread = n**2 * (two - 2 * three + two**2)
    return float(squares.sum()), float((n * (1 - two)).sum()), float(spread.sum())
