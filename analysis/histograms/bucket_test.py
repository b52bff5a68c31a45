"""H, the histogram test: evidence that a distribution got worse by more than its tolerance."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike

from analysis.counting.orientation import Worse
from analysis.log_arrays import Array, log_sum

SHIFTS = (0.08, 0.15, 0.3, 0.6, 1.0)
"""Alternatives that move the whole distribution, in probits."""

STRETCHES = ((0.0, 1.2), (0.0, 1.5), (-1.28, 1.5), (-1.28, 3.0))
"""Alternatives that move only the tail: (probit where it begins, stretch of what lies beyond).

From the median, and from the .9 quantile: a tail on a tenth of the requests is found in half the
time with the latter.
"""

DROPS = (0.5, 1.0, 2.0, 4.0, 8.0)
"""Alternatives that worsen a score's mean by this many tolerances more, by an exponential tilt."""

_SHIFTS = np.array(SHIFTS)[:, None]
_KNEES, _FACTORS = np.array(STRETCHES).T[..., None]
_ROUNDED = 0.05  # part of a tolerance by which edges may be off because they were rounded
_LEAST = 1e-9  # a likelihood ratio of zero would bet everything on one bucket


@lru_cache(maxsize=256)
def boundaries(edges: tuple[float, ...], worse: Worse, *, relative: bool) -> tuple[float, ...]:
    """The K-1 finite edges as badness, increasing: logarithms if relative, negated if low is worse.

    Raises:
        ValueError: a relative tolerance with an edge that is not positive.
    """
    finite = np.array([edge for edge in edges if np.isfinite(edge)])
    if relative and np.any(finite <= 0):
        raise ValueError("a relative tolerance needs positive bucket edges")
    scale = np.log(finite) if relative else finite
    return tuple(map(float, scale if worse == "high" else -scale[::-1]))


@lru_cache(maxsize=256)
def shift_matrix(cuts: tuple[float, ...], step: float) -> Array:
    """Row j: where bucket j's units go when everything gets worse by `step` on the badness scale.

    Mass is spread evenly within a bucket on that scale (log-linearly for relative tolerances);
    exact when the edges are a tolerance apart. A bucket wider than the tolerance shows nothing of
    where in it its units lie: all of them are taken to lie at its worse end, so that what is
    acceptable can only be called too mild. The open best bucket is taken to be as wide as its
    neighbour, the open worst bucket keeps its mass. Shape (K, K), rows sum to one.

    Derived here: a bucket from a to b, moved to a + step, b + step, has the part of its width at
    most an edge c that (c - step - a) / (b - a) gives, cut to 0 and 1; at its worse end all of it
    lies at most c where c >= b + step.
    """
    inner = np.asarray(cuts)
    width = inner[1] - inner[0] if inner.size > 1 else step
    low = np.append(inner[0] - width, inner)
    widths = np.diff(low)[:, None]
    even = np.clip(np.round((inner - step - low[:-1, None]) / widths, 9), 0, 1)
    worst = inner >= low[1:, None] + (1 - _ROUNDED) * step
    at_most = np.where(widths > (1 + _ROUNDED) * step, worst, even)
    moved = np.zeros((low.size, low.size))
    moved[:-1] = np.diff(at_most, axis=1, prepend=0, append=1)
    moved[-1, -1] = 1
    moved.setflags(write=False)
    return moved


def smoothed(counts: ArrayLike) -> Array:
    """Shares of past units, with one unit spread over all buckets: (..., K) -> (..., K).

    Derived here: the mean of a Dirichlet posterior whose prior weighs one unit; none is zero.
    """
    values = np.asarray(counts, dtype=np.float64) + 1.0 / np.shape(counts)[-1]
    return np.asarray(values / values.sum(axis=-1, keepdims=True))


def made_monotone(q_s: ArrayLike, q_a: ArrayLike) -> Array:
    """q_s cummax(q_a / q_s), renormalised: the likelihood ratio never falls with badness.

    Then a stochastically better canary can only lose capital; without it, a canary with a faster
    body was rolled back in 53-100 % of runs. Shapes (..., K).

    Derived here: a unit's gain log(q_a / qbar) rises with q_a / q_s, so that with a ratio that
    rises with badness its expectation is smaller for every stochastically better unit.
    """
    ratio = np.maximum(np.asarray(q_a) / np.asarray(q_s), _LEAST)
    rising = np.asarray(q_s) * np.maximum.accumulate(ratio, axis=-1)
    return np.asarray(rising / rising.sum(axis=-1, keepdims=True))


def worse_latencies(q_s: Array) -> Array:
    """Probit shifts and upper-tail stretches of stable's shares: (..., K) -> (..., 9, K).

    With z the normal quantile of the share beyond a boundary, that share becomes Phi(z + shift), or
    Phi(knee + (z - knee) / stretch) where z < knee; then `made_monotone`. Any choice is valid.
    """
    from scipy.special import ndtr, ndtri  # 0.7 s: only where it is used

    tail = q_s[..., ::-1].cumsum(axis=-1)[..., -2::-1]
    head = q_s.cumsum(axis=-1)[..., :-1]
    z = np.where(tail < head, ndtri(tail), -ndtri(head))[..., None, :]
    stretched = np.where(z < _KNEES, _KNEES + (z - _KNEES) / _FACTORS, z)
    moved = np.concatenate([z + _SHIFTS, stretched], axis=-2)
    q_a = _between(ndtr(moved), ndtr(-moved))
    return made_monotone(q_s[..., None, :], q_a)


def _between(tail: Array, head: Array) -> Array:
    """Bucket shares from the shares beyond and up to each boundary, from whichever is smaller."""
    beyond, upto = np.ones((2, *tail.shape[:-1], tail.shape[-1] + 1))
    beyond[..., 1:], upto[..., :-1] = tail, head
    up, down = upto.copy(), beyond.copy()
    up[..., 1:] -= head
    down[..., :-1] -= tail
    return np.asarray(np.maximum(np.where(beyond < 0.5, down, up), 0.0))


def worse_scores(q_s: Array, cuts: tuple[float, ...], tolerance: float) -> Array:
    """Exponential tilts of stable's shares with a given loss of mean: (..., K) -> (..., 5, K).

    Buckets stand for their middles; `tolerance` is in the score's own unit. The tilt is the
    first-order one, loss / variance, and at most two standard deviations strong; then
    `made_monotone`. Any choice is valid.
    """
    middles = _middles(np.asarray(cuts))
    mean = (q_s * middles).sum(axis=-1, keepdims=True)
    variance = np.maximum((q_s * (middles - mean) ** 2).sum(axis=-1, keepdims=True), _LEAST)
    losses = np.array(DROPS) * tolerance
    tilts = np.minimum(losses / variance, 2 / np.sqrt(variance))[..., None]
    exponents = tilts * (middles - mean)[..., None, :]
    q_a = q_s[..., None, :] * np.exp(exponents - exponents.max(axis=-1, keepdims=True))
    return made_monotone(q_s[..., None, :], q_a / q_a.sum(axis=-1, keepdims=True))


def _middles(cuts: Array) -> Array:
    """Middles of the K buckets on the badness scale, open ones as wide as their neighbours."""
    widths = np.diff(cuts) if cuts.size > 1 else np.ones(1)
    inner = (cuts[1:] + cuts[:-1]) / 2
    return np.concatenate([[cuts[0] - widths[0] / 2], inner, [cuts[-1] + widths[-1] / 2]])


def increment(x_c: ArrayLike, x_s: ArrayLike, q_s: Array, q_a: Array) -> Array:
    """One look's log-capital per alternative; counts and q_s (..., K), q_a (..., J, K) -> (..., J).

    qbar = (e_c q_a + e_s q_s) / (e_c + e_s), e the arms' units in this look;
    sum_b x_c,b log(q_a,b / qbar_b) + x_s,b log(q_s,b / qbar_b). Exact for any common distribution
    that moves arbitrarily, as long as q_s and q_a are known before the look: by the inequality of
    arithmetic and geometric means the expectation is at most (sum_b p_b)^(e_c + e_s) = 1. If
    q_a / q_s rises with badness, also for every stochastically better canary. Zero where either arm
    has no units.

    Source: Turner, Ly & Gruenwald, JSPI 230 (2024), 106116 (arXiv 2106.02693v3), section 2: the
    block k-sample e-value.
    """
    ratio = np.asarray(q_a / q_s[..., None, :])
    return won(x_c, x_s, ratio - 1.0, np.log(ratio))


def won(x_c: ArrayLike, x_s: ArrayLike, lean: Array, log: Array) -> Array:
    """`increment` with the ratios q_a / q_s less one (`lean`) and their logarithms: (..., J, K)."""
    canary, stable = np.asarray(x_c, dtype=np.float64), np.asarray(x_s, dtype=np.float64)
    e_c, e_s = canary.sum(axis=-1)[..., None, None], stable.sum(axis=-1)[..., None, None]
    blend = np.log1p(e_c / np.maximum(e_c + e_s, 1.0) * lean)
    gain = log @ canary[..., None] - blend @ (canary + stable)[..., None]
    both = (e_c > 0) & (e_s > 0)
    return np.asarray(np.where(both, gain, 0.0)[..., 0])


def log_harm(logs: ArrayLike) -> Array:
    """Log of the e-process, the `sequential.log_mean` with equal weights: (..., J) -> (...)."""
    each = np.asarray(logs, dtype=np.float64)
    return log_sum(each + np.log(1 / each.shape[-1]))
