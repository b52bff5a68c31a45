"""The bucket test: evidence that a distribution worsened by more than its tolerance."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike

from analysis.counting.beyond import Worse
from analysis.log_arrays import Array, log_sum

SHIFTS = (0.08, 0.15, 0.3, 0.6, 1.0)
"""Alternatives that move the whole distribution, in probits."""

STRETCHES = ((0.0, 1.2), (0.0, 1.5), (-1.28, 1.5), (-1.28, 3.0))
"""Alternatives that stretch only the tail: (probit where the tail starts, stretch factor).

The tail starts at the median or at the .9 quantile. The latter halve the time to detect a slow
tenth of the requests.
"""

DROPS = (0.5, 1.0, 2.0, 4.0, 8.0)
"""Alternatives that worsen a score's mean by this many more tolerances, by exponential tilt."""

_SHIFTS = np.array(SHIFTS)[:, None]
_KNEES, _FACTORS = np.array(STRETCHES).T[..., None]
_ROUNDED = 0.05  # fraction of a tolerance by which rounded edges may be off
_LEAST = 1e-9  # a likelihood ratio of 0 would stake all capital on one bucket


@lru_cache(maxsize=256)
def boundaries(edges: tuple[float, ...], worse: Worse, *, relative: bool) -> tuple[float, ...]:
    """Convert the K-1 finite edges to increasing badness.

    Badness is the logarithm of a value if the tolerance is relative, negated if low is worse.

    Raises:
        ValueError: the tolerance is relative and an edge is not positive.
    """
    finite = np.array([edge for edge in edges if np.isfinite(edge)])
    if relative and np.any(finite <= 0):
        raise ValueError("a relative tolerance needs positive bucket edges")
    scale = np.log(finite) if relative else finite
    return tuple(map(float, scale if worse == "high" else -scale[::-1]))


@lru_cache(maxsize=256)
def shift_matrix(cuts: tuple[float, ...], step: float) -> Array:
    """Build the matrix that worsens bucket counts by `step` on the badness scale: (K, K).

    Row j says where the units of bucket j go; rows sum to one. Units are spread evenly within a
    bucket on the badness scale (log-linearly for relative tolerances), which is exact when the
    edges are a tolerance apart. A bucket wider than the tolerance does not show where its units
    lie: all are placed at its worse end, so that the test can only accept too much, never call
    an acceptable canary harmful. The open best bucket is as wide as its neighbour; the open worst
    bucket retains its units.

    Derived here: of a bucket from a to b, moved to a + step and b + step, the fraction
    (c - step - a) / (b - a), clipped to [0, 1], lies at or below an edge c; with all units at the
    worse end, all lie at or below c where c >= b + step.
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
    """Convert past units to shares, with one unit spread over all buckets: (..., K) -> (..., K).

    Derived here: the mean of a Dirichlet posterior with a prior of one unit; no share is zero.
    """
    values = np.asarray(counts, dtype=np.float64) + 1.0 / np.shape(counts)[-1]
    return np.asarray(values / values.sum(axis=-1, keepdims=True))


def made_monotone(q_s: ArrayLike, q_a: ArrayLike) -> Array:
    """Make the likelihood ratio increase with badness: q_s cummax(q_a / q_s), renormalised.

    A stochastically better canary then only loses capital. Without it, a canary whose body is
    faster was rolled back in 53-100 % of runs. Shapes (..., K).

    Derived here: a unit's gain log(q_a / qbar) rises with q_a / q_s. If that ratio rises with
    badness, the expected gain is smaller for every stochastically better unit.
    """
    ratio = np.maximum(np.asarray(q_a) / np.asarray(q_s), _LEAST)
    rising = np.asarray(q_s) * np.maximum.accumulate(ratio, axis=-1)
    return np.asarray(rising / rising.sum(axis=-1, keepdims=True))


def worse_latencies(q_s: Array) -> Array:
    """Build probit shifts and tail stretches of stable's shares: (..., K) -> (..., 9, K).

    With z the normal quantile of the share beyond a boundary, that share becomes Phi(z + shift), or
    Phi(knee + (z - knee) / stretch) where z < knee; `made_monotone` follows. The choice affects
    only the power: any alternatives are valid.
    """
    from scipy.special import ndtr, ndtri  # importing it takes 0.7 s, so only on use

    tail = q_s[..., ::-1].cumsum(axis=-1)[..., -2::-1]
    head = q_s.cumsum(axis=-1)[..., :-1]
    z = np.where(tail < head, ndtri(tail), -ndtri(head))[..., None, :]
    stretched = np.where(z < _KNEES, _KNEES + (z - _KNEES) / _FACTORS, z)
    moved = np.concatenate([z + _SHIFTS, stretched], axis=-2)
    q_a = _bucket_shares(ndtr(moved), ndtr(-moved))
    return made_monotone(q_s[..., None, :], q_a)


def _bucket_shares(tail: Array, head: Array) -> Array:
    """Compute bucket shares from the shares beyond and up to each boundary.

    Differences of the smaller of the two lose no digits in the tails.
    """
    beyond, upto = np.ones((2, *tail.shape[:-1], tail.shape[-1] + 1))
    beyond[..., 1:], upto[..., :-1] = tail, head
    up, down = upto.copy(), beyond.copy()
    up[..., 1:] -= head
    down[..., :-1] -= tail
    return np.asarray(np.maximum(np.where(beyond < 0.5, down, up), 0.0))


def worse_scores(q_s: Array, cuts: tuple[float, ...], tolerance: float) -> Array:
    """Build exponential tilts of stable's shares, by loss of mean: (..., K) -> (..., 5, K).

    A bucket is represented by its midpoint; `tolerance` is in the score's own unit. The tilt is
    first-order, loss / variance, and at most two standard deviations; `made_monotone` follows. The
    choice affects only the power: any alternatives are valid.
    """
    middles = _bucket_midpoints(np.asarray(cuts))
    mean = (q_s * middles).sum(axis=-1, keepdims=True)
    variance = np.maximum((q_s * (middles - mean) ** 2).sum(axis=-1, keepdims=True), _LEAST)
    losses = np.array(DROPS) * tolerance
    tilts = np.minimum(losses / variance, 2 / np.sqrt(variance))[..., None]
    exponents = tilts * (middles - mean)[..., None, :]
    q_a = q_s[..., None, :] * np.exp(exponents - exponents.max(axis=-1, keepdims=True))
    return made_monotone(q_s[..., None, :], q_a / q_a.sum(axis=-1, keepdims=True))


def _bucket_midpoints(cuts: Array) -> Array:
    """Return midpoints of the K buckets in badness; open ones are as wide as their neighbours."""
    widths = np.diff(cuts) if cuts.size > 1 else np.ones(1)
    inner = (cuts[1:] + cuts[:-1]) / 2
    return np.concatenate([[cuts[0] - widths[0] / 2], inner, [cuts[-1] + widths[-1] / 2]])


def likelihood_ratios(q_s: Array, q_a: Array) -> tuple[Array, Array]:
    """Compute q_a / q_s - 1 and log(q_a / q_s) for `gain`: (..., K), (..., J, K) -> (..., J, K)."""
    ratio = q_a / q_s[..., None, :]
    return ratio - 1.0, np.log(ratio)


def gain(x_c: ArrayLike, x_s: ArrayLike, lean: Array, log: Array) -> Array:
    """Compute one look's log-capital per alternative.

    Counts are (..., K), the result is (..., J). `lean` and `log`, (..., J, K), are the
    `likelihood_ratios` of the alternatives' shares q_a to the reference q_s. With
    qbar = (e_c q_a + e_s q_s) / (e_c + e_s), e the arms' units in this look,
    it is sum_b x_c,b log(q_a,b / qbar_b) + x_s,b log(q_s,b / qbar_b). The test is
    exact for any common distribution p, even one that changes arbitrarily from look to look, as
    long as q_s and q_a are known before the look: by the inequality of arithmetic and geometric
    means the expectation is at most (sum_b p_b)^(e_c + e_s) = 1. If q_a / q_s rises with badness,
    this also holds for every stochastically better canary. Zero where either arm has no units.

    Source: Turner, Ly & Gruenwald, JSPI 230 (2024), 106116 (arXiv 2106.02693v3), section 2: the
    block k-sample e-value.
    """
    canary, stable = np.asarray(x_c, dtype=np.float64), np.asarray(x_s, dtype=np.float64)
    e_c, e_s = canary.sum(axis=-1)[..., None, None], stable.sum(axis=-1)[..., None, None]
    # `blend` is log(qbar / q_s), which is subtracted once per unit of either arm.
    blend = np.log1p(e_c / np.maximum(e_c + e_s, 1.0) * lean)
    logs = log @ canary[..., None] - blend @ (canary + stable)[..., None]
    both = (e_c > 0) & (e_s > 0)
    return np.asarray(np.where(both, logs, 0.0)[..., 0])


def log_harm(logs: ArrayLike) -> Array:
    """Compute the log of the e-process: `log_arrays.log_mean`, equal weights: (..., J) -> (...)."""
    capital = np.asarray(logs, dtype=np.float64)
    return log_sum(capital + np.log(1 / capital.shape[-1]))
