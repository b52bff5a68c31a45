"""Defines a peer's rule: a score per check, and a limit above which it rolls back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.worlds.rates import Streams

Array = NDArray[np.float64]
Counts = NDArray[np.int64]


@dataclass(frozen=True)
class Rule:
    """A peer: it rolls back `delay` looks after its score first exceeds its limit.

    Args:
        score: (streams of both arms, alpha) to (rollouts, checks); compared with the limit.
        limit: alpha to the documented default.
        every: looks from check to check.
        delay: looks from the decisive check to the rollback.
        declared: whether the rule has a declared error rate; without one alpha changes nothing.
    """

    score: Callable[[Streams, float], Array]
    limit: Callable[[float], float]
    every: int = 1
    delay: int = 0
    declared: bool = False

    def rolled_back(self, score: Array, limit: float, looks: int) -> Counts:
        """Return each rollout's look (from 1) of the rollback, 0 if none in `looks`."""
        at = first(score > limit) * self.every
        return np.where((at > 0) & (at + self.delay <= looks), at + self.delay, 0)


def first(crossed: NDArray[np.bool_]) -> Counts:
    """Return the number (from 1) of the first true value along the last axis, 0 without one."""
    return np.where(crossed.any(axis=-1), crossed.argmax(axis=-1) + 1, 0)


def tuned(score: Array, alpha: float) -> float:
    """Return an oracle's limit: it rolls back at most alpha of these harmless rollouts."""
    worst = np.sort(score.max(axis=-1))
    return float(worst[len(worst) - 1 - int(alpha * len(worst))])


def windows(counts: Counts, length: int, every: int) -> Counts:
    """Sum the last `length` looks at every `every`-th look: (..., looks) -> (..., checks)."""
    total = np.concatenate([np.zeros_like(counts[..., :1]), counts.cumsum(axis=-1)], axis=-1)
    ends = np.arange(every, total.shape[-1], every)
    return np.asarray(total[..., ends] - total[..., np.maximum(ends - length, 0)])


def shares(bad: Counts, exposures: Counts, empty: float) -> Array:
    """Return bad shares; `empty` where there are no exposures."""
    return np.where(exposures > 0, bad / np.maximum(exposures, 1), empty)


def nth_worst(severity: Array, n: int) -> Array:
    """Return the n-th largest value so far along the last axis; -inf before there are n."""
    top = np.full((*severity.shape[:-1], n), -np.inf)
    nth_largest = np.empty_like(severity)
    for check in range(severity.shape[-1]):
        top[..., 0] = np.maximum(top[..., 0], severity[..., check])
        top.sort(axis=-1)
        nth_largest[..., check] = top[..., 0]
    return nth_largest
