"""Which bucket edges prove safety: one of the canary against a better one of stable."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

QUANTILES = (0.5, 0.9, 0.95, 0.99)
"""Badness quantiles of stable's past that are guarded; one alone misses a tail."""

ENOUGH = 200
"""Units of stable's past before the edges are chosen; they stay for the whole rollout."""

_TAIL = 0.2  # with no pair among the worst fifth, the tail is not guarded
_COARSE = 2.0  # log-odds of distance that an exact pair is worth


@dataclass(frozen=True)
class Pair:
    """Bad is: the canary beyond boundary `edge`, stable beyond the better boundary `partner`.

    Both are indices into the boundaries in the order of badness; `partner` < `edge`. `slack` is the
    part of the tolerance that the buckets cannot express, 0 to 1: the proof asks that much more.
    """

    edge: int
    partner: int
    slack: float = 0.0


def pairs(cuts: tuple[float, ...], step: float) -> tuple[Pair, ...]:
    """Every boundary with its partner: the best boundary at most `step` better, strictly better."""
    inner = np.asarray(cuts)
    wanted = inner - step
    partner = np.searchsorted(inner, wanted - 1e-9 * max(1.0, abs(step)))
    return tuple(
        Pair(i, int(j), max(0.0, float((inner[j] - wanted[i]) / step)))
        for i, j in enumerate(partner)
        if j < i
    )


def choose(history: np.ndarray, cuts: tuple[float, ...], step: float) -> tuple[Pair, ...]:
    """The pairs nearest to the guarded quantiles of stable's past, exact ones preferred.

    The share beyond an edge is taken one standard error low, so that a short past does not freeze
    an edge that luck has put too deep into the tail to be proven.

    Args:
        history: stable's past units per bucket in the order of badness, shape (K,).
        cuts: the K-1 boundaries in the order of badness.
        step: the tolerance on the scale of `cuts`.

    Returns:
        One to four pairs; none if the buckets are too coarse to guard the tail.
    """
    seen = history[::-1].cumsum()[::-1][1:]
    usable = [p for p in pairs(cuts, step) if seen[p.partner] > 0]
    beyond = (seen - np.sqrt(seen) + 0.5) / (history.sum() + 1.0)
    if not any(beyond[p.edge] <= _TAIL for p in usable):
        return ()
    odds = np.log(beyond / (1 - beyond))
    chosen = {
        min(usable, key=lambda p: abs(odds[p.edge] - np.log((1 - q) / q)) + _COARSE * p.slack)
        for q in QUANTILES
    }
    return tuple(sorted(chosen, key=lambda p: p.edge))
