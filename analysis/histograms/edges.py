"""Chooses the bucket edges that prove safety: a canary's edge and a better one of stable."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

QUANTILES = (0.5, 0.9, 0.95, 0.99)
"""Guarded badness quantiles of stable's past; a single quantile would miss a tail."""

ENOUGH = 200
"""Units of stable's past before the edges are chosen, once for the whole rollout."""

_TAIL = 0.2  # without a pair within the worst fifth the tail is unguarded
_COARSE = 2.0  # log-odds of distance from the quantile that outweigh a full `slack`


@dataclass(frozen=True)
class Pair:
    """Two boundaries: a canary's unit is bad beyond `edge`, a stable's unit beyond `partner`.

    Both are indices into the boundaries in the order of badness, and `partner` < `edge`. `slack` is
    the fraction of the tolerance, 0 to 1, that the buckets cannot express: the proof is stricter by
    that much.
    """

    edge: int
    partner: int
    slack: float = 0.0


def pairs(cuts: tuple[float, ...], step: float) -> tuple[Pair, ...]:
    """Pair each boundary with the best one that is at most `step` better, but strictly better."""
    inner = np.asarray(cuts)
    wanted = inner - step
    # The small allowance keeps rounding from excluding a partner that is exactly `step` away.
    partner = np.searchsorted(inner, wanted - 1e-9 * max(1.0, abs(step)))
    return tuple(
        Pair(i, int(j), max(0.0, float((inner[j] - wanted[i]) / step)))
        for i, j in enumerate(partner)
        if j < i
    )


def choose(history: np.ndarray, cuts: tuple[float, ...], step: float) -> tuple[Pair, ...]:
    """Choose the pairs nearest to the guarded quantiles of stable's past, preferring exact ones.

    The choice is final, so the share beyond an edge is taken one standard error low: otherwise a
    short past could by chance select an edge too deep in the tail to be proven.

    Args:
        history: stable's past units per bucket in the order of badness, shape (K,).
        cuts: the K-1 boundaries in the order of badness.
        step: the tolerance on the scale of `cuts`.

    Returns:
        One to four pairs; none if the buckets are too coarse to guard the tail.
    """
    units_beyond = history[::-1].cumsum()[::-1][1:]
    # Without any stable unit beyond the partner there is nothing to bet against.
    usable = [p for p in pairs(cuts, step) if units_beyond[p.partner] > 0]
    beyond = (units_beyond - np.sqrt(units_beyond) + 0.5) / (history.sum() + 1.0)
    if not any(beyond[p.edge] <= _TAIL for p in usable):
        return ()
    odds = np.log(beyond / (1 - beyond))
    chosen = {
        min(usable, key=lambda p: abs(odds[p.edge] - np.log((1 - q) / q)) + _COARSE * p.slack)
        for q in QUANTILES
    }
    return tuple(sorted(chosen, key=lambda p: p.edge))
