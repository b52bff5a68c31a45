"""A limit on the canary's own share: error rates at the limit, with and without bursts."""

import math

import numpy as np
import pytest

from analysis.counting.counts import Counts
from analysis.dispersion.dispersion import Dispersion
from analysis.dispersion.totals import estimate_totals
from analysis.rates.rate import RateMargin
from analysis.verdict.limit_test import PERFECT, LimitTest
from analysis.verdict.rate_test import RateTest
from benchmarks.worlds.rates import CountsModel

LIMIT, UNITS, RUNS, LOOKS = 0.02, 200, 60, 60
ALPHA, BETA = 0.05, 0.05
BURSTS = Dispersion(cluster=5, inflation=5, by="totals", pods_stable=4, ticks=1000)
TROUBLED = Dispersion(cluster=5, inflation=5, by="totals", pods_stable=4, ticks=1000, trouble=3)


def decide(share, dispersion, dice):
    """What is shown first: harm, safety, or neither."""
    test = LimitTest(LIMIT)
    size = 1.0
    if dispersion is not None:
        test, size = test.with_dispersion(dispersion), dispersion.cluster
    for _ in range(LOOKS):
        bad = min(UNITS, int(size * dice.poisson(UNITS * share / size)))
        test = test.update(Counts((UNITS, bad), (700, 70)))
        if test.logs.harm >= -math.log(ALPHA):
            return "harm"
        if test.logs.safe >= -math.log(BETA):
            return "safe"
    return ""


@pytest.mark.parametrize("dispersion", [None, BURSTS, TROUBLED])
def test_a_canary_exactly_at_its_limit_is_rarely_called_better_or_worse(dispersion):
    dice = np.random.default_rng(11)
    verdicts = [decide(LIMIT, dispersion, dice) for _ in range(RUNS)]
    # Of 60 runs 5 % are 3; 8 or more have a chance below 1 in 100.
    assert verdicts.count("harm") < 8
    assert verdicts.count("safe") < 8


@pytest.mark.parametrize("dispersion", [None, BURSTS, TROUBLED])
def test_a_canary_that_is_clearly_beyond_or_within_is_told(dispersion):
    dice = np.random.default_rng(12)
    assert {decide(0.06, dispersion, dice) for _ in range(8)} == {"harm"}
    assert {decide(0.002, dispersion, dice) for _ in range(8)} == {"safe"}


def test_a_limit_is_a_margin_above_a_perfect_stable():
    alone, above = LimitTest(LIMIT), RateTest(RateMargin(1.0, LIMIT))
    for bad in (3, 0, 9):
        alone = alone.update(Counts((UNITS, bad), (5, 5), (), 2, 3))
        above = above.update(Counts((UNITS, bad), (PERFECT * UNITS, 0), (), 2, 0))
    assert alone.logs.safe == above.logs.safe
    assert alone.logs.harm == pytest.approx(above.logs.harm)
    assert alone.watch(Counts((9, 9), (9, 0))) == alone
    assert alone.learn(Counts((0, 0), (9, 9))) == alone


def test_without_the_canary_s_units_nothing_is_known():
    test = LimitTest(LIMIT).update(Counts((0, 0), (900, 0)))
    assert test == LimitTest(LIMIT)
    assert test.logs.safe <= 0
    readout = LimitTest(LIMIT).update(Counts((100, 3), (900, 9))).read(0.0, ALPHA, BETA)
    assert (readout.canary, readout.canary_bad, readout.stable) == (100, 3, 0)
    assert readout.allowed == LIMIT


@pytest.mark.no_cover  # many runs of what other tests cover
@pytest.mark.parametrize("scenario", ["ar1-.4", "pod-bursts"])
def test_a_limit_far_above_what_stable_has_shown_is_no_less_careful(scenario):
    """Stable fails once in 2,000 requests; before, half of such canaries were promoted."""
    dice, ever = np.random.default_rng(1707), {"harm": 0, "safe": 0}
    stable, runs = CountsModel(scenario, 50.0, 0.0005), 40
    past = stable.history(dice, runs, 2880)
    arms = CountsModel(scenario, 50.0, 0.0005, theta=20.0).streams(dice, runs).arms()
    for run in range(runs):
        learned = estimate_totals(*(counts[run].sum(axis=1) for counts in past))
        test, highest = LimitTest(0.01, dispersion=learned), {"harm": 0.0, "safe": 0.0}
        for units, bad in zip(arms.e_c[run].tolist(), arms.x_c[run].tolist(), strict=True):
            test = test.update(Counts((units, bad), (units, 0)))
            for name, top in highest.items():
                highest[name] = max(top, getattr(test.logs, name))
        for name, top in highest.items():
            ever[name] += top >= -math.log(ALPHA)
    assert max(ever.values()) <= 6  # of 40 runs 5 % are 2; 7 or more have a chance of 1 in 200
