"""Random draws for the worlds: counts, retries, bad spells, and counts a look late."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
DrawnCounts = NDArray[np.int64]

CLUSTER = 5.0  # mean length of a series of failed tries
OFTEN = 0.05  # share of time that a spell is on


def drawn(rng: np.random.Generator, expected: Array, p: Array) -> tuple[DrawnCounts, DrawnCounts]:
    """Draw Poisson exposures and binomial bad units, shapes as `expected` and `p` broadcast."""
    e = rng.poisson(expected, np.broadcast_shapes(expected.shape, p.shape))
    return e, rng.binomial(e, p)


def retried(rng: np.random.Generator, expected: Array, p: Array) -> tuple[DrawnCounts, DrawnCounts]:
    """Draw tries whose failures come in series of geometric length (mean CLUSTER).

    `p` is the share of failed tries. Returns tries and failed tries; `expected` tries and the
    shapes (...) are as in `drawn`.
    """
    p = np.minimum(p, 0.999)
    first = p / (CLUSTER - (CLUSTER - 1) * p)  # of first tries that fail
    e, failed = drawn(rng, expected / (1 + (CLUSTER - 1) * first), first)
    more = np.where(failed > 0, rng.negative_binomial(np.maximum(failed, 1), 1 / CLUSTER), 0)
    return e + more, failed + more


def clustered(
    rng: np.random.Generator, expected: Array, p: Array, largest: int
) -> tuple[DrawnCounts, DrawnCounts]:
    """Draw bad units in clusters of 1 to `largest`, all sizes alike; `p` is their share.

    Shapes are as in `drawn`. The further units of a cluster are exposures too, so that a canary is
    at its margin only where clusters begin at the odds that leave `p` of all units bad.
    """
    mean = (largest + 1) / 2
    first = p / (mean - (mean - 1) * p)  # of units that are no cluster's further ones
    e, clusters = drawn(rng, expected / (1 + (mean - 1) * first), first)
    sizes = rng.integers(1, largest + 1, int(clusters.sum()))
    owner = np.repeat(np.arange(clusters.size), clusters.ravel())
    bad = np.bincount(owner, weights=sizes, minlength=clusters.size).astype(np.int64)
    x = bad.reshape(clusters.shape)
    return e + x - clusters, x


def spells(
    rng: np.random.Generator, shape: tuple[int, int, int], length: float
) -> NDArray[np.bool_]:
    """Draw whether a spell of `length` looks is on, shape (rollouts, looks, pods); stationary.

    Spells start at random and may overlap; a spell is on for the share OFTEN of the time.
    """
    span = max(1, round(length))
    begin = rng.random((shape[0], shape[1] + span, shape[2])) < 1 - (1 - OFTEN) ** (1 / span)
    begun = begin.cumsum(axis=1)
    return np.asarray(begun[:, span:] > begun[:, :-span])


def autoregressive(
    rng: np.random.Generator, shape: tuple[int, int, int], sd: float, memory: float
) -> Array:
    """Draw a stationary Gaussian AR(1) along the looks of shape (rollouts, looks, pods).

    `sd` is the standard deviation of its values, `memory` their correlation from look to look.
    """
    u = rng.normal(0, sd, shape)
    for look in range(1, shape[1]):
        u[:, look] = memory * u[:, look - 1] + np.sqrt(1 - memory**2) * u[:, look]
    return u


def delayed(rng: np.random.Generator, counts: DrawnCounts, lag: Array) -> DrawnCounts:
    """Move each unit to the next look with probability `lag`; the last look's are dropped.

    Counts have the shape (rollouts, looks, pods), to which `lag` broadcasts.
    """
    later = rng.binomial(counts, np.broadcast_to(lag, counts.shape))
    counted: DrawnCounts = counts - later
    counted[:, 1:] += later[:, :-1]
    return counted
