"""Kayenta's judge: a Mann-Whitney interval of the difference of per-minute points.

The interval (confidence .98, normal approximation) and the Hodges-Lehmann estimate h are those of
canary minus baseline; a metric is High when the interval's low end exceeds .25 |h|, and with one
metric the analysis then fails. On streams: per-minute bad shares since the start, judged every 20
minutes; minutes without requests count as zero.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from benchmarks.peers.rule import Array, Rule, shares, windows
from benchmarks.worlds.rates import Streams

CONFIDENCE, TOLERANCE = 0.98, 0.25
MINUTE, PERIOD = 2, 20  # 30-second looks a minute; minutes from judgement to judgement


def height(canary: ArrayLike, baseline: ArrayLike) -> Array:
    """Return how many standard errors wide the interval may be with the metric still High: (...).

    The interval's low end is the k-th smallest of all m n differences, k = m n / 2 - z sd with
    sd^2 = m n (m + n + 1) / 12. It exceeds .25 |h| exactly when fewer than k differences do not.
    Points are (..., m) and (..., n).
    """
    # Single precision halves the time; only the order of the differences matters.
    c, s = np.asarray(canary, dtype=np.float32), np.asarray(baseline, dtype=np.float32)
    m, n = c.shape[-1], s.shape[-1]
    differences = (c[..., :, None] - s[..., None, :]).reshape(*c.shape[:-1], m * n)
    h = np.median(differences, axis=-1, keepdims=True)
    low = (differences <= TOLERANCE * np.abs(h)).sum(axis=-1)
    return np.asarray((m * n / 2 - low) / np.sqrt(m * n * (m + n + 1) / 12))


def width(confidence: float = CONFIDENCE) -> float:
    """Return the z value of the interval."""
    from scipy.special import ndtri

    return float(ndtri((1 + confidence) / 2))


def score(streams: Streams, _alpha: float) -> Array:
    """Return `height` at each judgement."""
    points = [
        shares(windows(bad, MINUTE, MINUTE), windows(exposures, MINUTE, MINUTE), 0.0)
        for bad, exposures in ((streams.x_c, streams.e_c), (streams.x_s, streams.e_s))
    ]
    ends = range(PERIOD, points[0].shape[-1] + 1, PERIOD)
    return np.stack([height(points[0][:, :end], points[1][:, :end]) for end in ends], axis=-1)


RULE = Rule(score, lambda _alpha: width(), every=MINUTE * PERIOD)
