"""Histograms of pods that differ: H and D keep their rates by what stable's past says. Seed 71."""

import math

import numpy as np
import pytest
from scipy.special import ndtr

from analysis.counting.counts import Counts
from analysis.dispersion.histogram import estimate_shape, estimate_shape_totals
from analysis.histograms.alternatives import HistogramTolerance
from benchmarks.worlds.draws import spells
from benchmarks.worlds.latencies import EDGES as LATENCIES
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


def slowed(rng, looks, pods):
    """Buckets of requests whose pods are twice as slow for spells of three looks: (looks, K)."""
    shift = np.where(spells(rng, (1, looks, pods), 3)[0], 0.7, 0.0)
    cuts = np.log(np.array(LATENCIES[:-1]) / 0.1)
    upto = ndtr((cuts - shift[..., None]) / 0.6)
    q = np.diff(upto, prepend=0.0, append=1.0, axis=-1)
    return rng.multinomial(rng.poisson(300 / pods, (looks, pods)), q).sum(axis=1)


@pytest.mark.no_cover  # many runs of what other tests cover
def test_a_twin_whose_pods_have_slow_spells_is_told_by_totals_as_rarely_as_declared():
    """Taken as independent, a fifth of them were rolled back at .05."""
    runs, wrong = 24, {"totals": 0, "independent": 0}
    for run in range(runs):
        rng = np.random.default_rng([1711, run])
        learned = estimate_shape_totals(slowed(rng, 2880, 10), "high")
        looks = [*zip(slowed(rng, 90, 2), slowed(rng, 90, 8), strict=True)]
        past = slowed(rng, 20, 8)
        for name, dispersion in (("totals", learned), ("independent", None)):
            test = start(
                HistogramTolerance(0.1, relative=True, worse="high", dispersion=dispersion)
            )
            for row in past:
                test = test.learn(Counts((0,) * len(row), tuple(row.tolist()), LATENCIES))
            highest = 0.0
            for canary, stable in looks:
                arms = tuple(canary.tolist()), tuple(stable.tolist())
                test = test.update(Counts(*arms, LATENCIES))
                highest = max(highest, test.logs.harm)
            wrong[name] += highest >= -math.log(0.05)
    assert wrong["totals"] <= 3  # of 24 runs 5 % are 1.2; 5 or more have a chance of 1 in 150
    assert wrong["independent"] > wrong["totals"]


def test_what_totals_of_a_histogram_show():
    rng = np.random.default_rng(3)
    calm = rng.multinomial(rng.poisson(600, 2880), [0.5, 0.3, 0.15, 0.05])
    learned = estimate_shape_totals(calm, "high")
    assert (learned.by, learned.lasting, learned.rate) == ("totals", 0, None)
    assert learned.inflation < 1.3
    assert estimate_shape_totals(slowed(rng, 2880, 10), "high").inflation > 3


def test_a_look_is_in_trouble_where_it_is_at_any_quantile():
    """Half as slow again for eight looks now and then, for all pods alike: the slowest tenth is a
    third of all then, but the slower half three quarters, no trouble by itself. As memory of pods
    that would take most proofs away.
    """
    rng = np.random.default_rng(74)
    slow = spells(rng, (1, 2880, 1), 8)[0, :, 0]
    cuts = np.log(np.array(LATENCIES[:-1]) / 0.1)
    below = ndtr((cuts - np.where(slow, math.log(1.5), 0.0)[:, None]) / 0.6)
    shares = np.diff(below, prepend=0, append=1, axis=-1)
    learned = estimate_shape_totals(rng.multinomial(rng.poisson(600, 2880), shares), "high")
    assert learned.trouble >= 8
    assert learned.passing < 0.1
    assert learned.inflation < 2
