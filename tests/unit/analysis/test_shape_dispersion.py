"""Histograms of pods that differ: H and D keep their rates by what stable's past says. Seed 71."""

import math

import numpy as np
import pytest
from scipy.special import ndtr

from analysis.counting.counts import Counts
from analysis.dispersion.histogram import estimate_shape
from analysis.histograms.alternatives import HistogramTolerance
from tests.support.counts import start

RUNS, LOOKS, TICKS, CANARY, STABLE = 20, 80, 480, 2, 8
REQUESTS, LEVEL, TOLERANCE, SD = 50, 0.05, 0.1, 0.1
CUTS = np.log(0.01) + math.log(1 + TOLERANCE) * np.arange(48)
EDGES = (*map(float, np.exp(CUTS)), math.inf)


def lasting(rng, ticks, pods):
    """Each pod's latencies are slower by the same factor all its life; logarithms."""
    return np.broadcast_to(rng.normal(0, SD, pods), (ticks, pods))


def passing(rng, ticks, pods):
    """A stationary AR(1), .9 from tick to tick."""
    u = rng.normal(0, SD, (ticks, pods))
    for tick in range(1, ticks):
        u[tick] = 0.9 * u[tick - 1] + math.sqrt(1 - 0.81) * u[tick]
    return u


def counts(rng, slower):
    """Buckets per tick and pod of lognormal latencies, median 100 ms, sd .6."""
    below = ndtr((CUTS - math.log(0.1) - slower[..., None]) / 0.6)
    shares = np.diff(below, prepend=0, append=1, axis=-1)
    return rng.multinomial(rng.poisson(REQUESTS, slower.shape), shares)


def ever(rule, past, canary, stable):
    """Whether it is ever called harmful, and ever safe."""
    capital = start(rule).learn(Counts((0,) * len(EDGES), past, EDGES))
    harmful = safe = False
    for look in zip(canary, stable, strict=True):
        capital = capital.update(Counts(*look, EDGES))
        harmful |= capital.logs.harm >= -math.log(LEVEL)
        safe |= capital.logs.safe >= -math.log(LEVEL)
    return harmful, safe


def whole(rows):
    return [tuple(map(int, row)) for row in rows]


@pytest.mark.parametrize("differ", [lasting, passing])
def test_a_canary_at_its_tolerance_is_called_harmful_or_safe_as_rarely_as_declared(differ):
    rng = np.random.default_rng(71)
    with_dispersion: list[tuple[bool, bool]] = []
    unknown: list[tuple[bool, bool]] = []
    for _ in range(RUNS):
        history = counts(rng, differ(rng, TICKS, STABLE))
        canary, stable = (
            whole(counts(rng, differ(rng, LOOKS, pods) + shift).sum(axis=1))
            for pods, shift in ((CANARY, math.log(1 + TOLERANCE)), (STABLE, 0.0))
        )
        past = whole([history[-20:].sum(axis=(0, 1))])[0]
        for dispersion, outcomes in (
            (estimate_shape(history, "high", CANARY), with_dispersion),
            (None, unknown),
        ):
            rule = HistogramTolerance(TOLERANCE, relative=True, worse="high", dispersion=dispersion)
            outcomes.append(ever(rule, past, canary, stable))
    limit = LEVEL + 3 * math.sqrt(LEVEL * (1 - LEVEL) / RUNS)
    assert (np.mean(with_dispersion, axis=0) <= limit).all()
    assert np.mean(unknown, axis=0)[0] > limit  # as if requests were independent
