"""Flagger's rule (1.44.0): a rollout ends at the `threshold`-th failed check since its start.

Tutorial configuration: a check a minute of the canary's last minute, success rate of at least 99 %,
threshold 5, weights 10 to 50 % in steps of 10 (five passing checks promote). A check without
requests fails. The rollback comes one interval after the decisive check.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from benchmarks.peers.rule import Array, Rule, nth_worst, shares, windows
from benchmarks.worlds.rates import Streams

LIMIT, THRESHOLD, WEIGHTS, MINUTE = 0.01, 5, (0.1, 0.2, 0.3, 0.4, 0.5), 2  # of 30-second looks


def score(streams: Streams, _alpha: float) -> Array:
    """Return the fifth worst check so far: above the limit, five checks have failed."""
    bad, exposures = (windows(counts, MINUTE, MINUTE) for counts in (streams.x_c, streams.e_c))
    return nth_worst(shares(bad, exposures, np.inf), THRESHOLD)


RULE = Rule(score, lambda _alpha: LIMIT, every=MINUTE, delay=MINUTE)


def promotion(passing: Sequence[float], threshold: int = THRESHOLD) -> float:
    """Return P(promote): each step's check passes before `threshold` checks failed in total.

    `passing` is the chance of one check at each step. With one chance p for K steps this is
    sum over f < threshold of C(K - 1 + f, f) p^K (1 - p)^f.
    """
    failed = np.eye(1, threshold)[0]  # chance of so many failures so far
    for p in passing:
        waited = p * (1 - p) ** np.arange(threshold)
        failed = np.convolve(failed, waited)[:threshold]
    return float(failed.sum())


def passing(requests: float, share: float, limit: float = LIMIT) -> float:
    """Return P(a check passes) with Poisson requests in its window; an empty window fails."""
    from scipy.stats import binom, poisson

    exposures = np.arange(1, int(requests + 12 * np.sqrt(requests) + 30))
    allowed = np.floor(limit * exposures + 1e-9)
    return float((poisson.pmf(exposures, requests) * binom.cdf(allowed, exposures, share)).sum())
