"""Absolute margins: a canary may have bad units such as stable's past had too few of."""

from functools import partial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.counting.counts import Counts
from analysis.dispersion import tempering
from analysis.dispersion.dispersion import Dispersion
from analysis.dispersion.estimate import ExposureHistory, estimate
from analysis.dispersion.totals import estimate_totals
from analysis.rates import share_bets
from analysis.rates.rate import RateMargin
from analysis.rates.robust_test import ArmCounts
from benchmarks.quality import engines
from benchmarks.worlds import paths
from benchmarks.worlds.rates import CountsModel
from tests.support.counts import start

RUNS = 60


def follow(scenario, rate, base, absolute, *, learn, **effect):
    """The log of harm after each look of canaries at 1 + `absolute`, weight 50 %."""
    twin = CountsModel(scenario, rate, base)
    rng = np.random.default_rng(1705)
    streams = CountsModel(scenario, rate, base, **effect).streams(rng, RUNS)
    learned = learn(streams, partial(twin.history, rng, RUNS))
    arms = streams.arms()
    counts = ArmCounts(arms.e_c, arms.e_s, arms.x_c, arms.x_s)
    return paths.robust_logs(learned, counts, absolute=absolute)


def by_totals(streams, past):
    return engines.learnt_totals(past)


@pytest.mark.no_cover  # many runs of what other tests cover
@pytest.mark.parametrize("learn", [by_totals, engines.learnt])
@pytest.mark.parametrize(
    ("scenario", "rate", "base"),
    [
        ("iid", 1.0, 0.001),
        ("retries", 5.0, 0.0001),
        ("clusters-10", 20.0, 0.001),
        ("incidents", 1.0, 0.001),
        ("pod-bursts", 5.0, 0.001),
    ],
)
def test_a_canary_at_its_absolute_margin_is_rolled_back_as_rarely_as_declared(
    scenario, rate, base, learn
):
    """Before, up to .97: a look's bad units were taken as known where most were the margin's."""
    logs = follow(scenario, rate, base, 0.01, learn=learn, excess=0.01)
    assert (logs.max(axis=1) >= -np.log(0.05)).mean() <= 0.1


@pytest.mark.no_cover  # many runs of what other tests cover
@pytest.mark.parametrize("learn", [by_totals, engines.learnt])
def test_bad_times_that_a_good_past_could_not_show_decide_nothing(learn):
    """Stable fails once in 10,000 requests, so that nothing tells how a percent would come."""
    logs = follow("pod-bursts", 100.0, 0.0001, 0.01, learn=learn, theta=101.0)
    assert (logs.max(axis=1) >= -np.log(0.05)).mean() <= 0.1


@pytest.mark.no_cover  # many runs of what other tests cover
def test_harm_beyond_an_absolute_margin_is_found():
    logs = follow("retries", 20.0, 0.001, 0.01, learn=by_totals, excess=0.04)
    assert ((logs >= np.log(100)).argmax(axis=1) > 0).mean() > 0.95


def binomial(n, p):
    k = np.arange(n + 1)
    ways = np.array([float(np.prod(np.arange(n - j + 1, n + 1) / np.arange(1, j + 1))) for j in k])
    return ways * p**k * (1 - p) ** (n - k)


@given(
    st.integers(0, 4), st.integers(1, 12), st.integers(1, 40), st.floats(0.02, 0.9),
    st.floats(0.01, 30), st.floats(0, 30), st.floats(1, 20),
)  # fmt: skip
def test_a_share_bet_at_an_absolute_margin_gains_nothing_in_expectation(  # noqa: PLR0917
    clusters, size, extra_size, share, allowed, usual, assumed
):
    """Whatever the clusters: `clusters` of stable's kind fall by chance, the margin's come at once.

    The margin's units are `extra_size` at a time and `allowed` on average.
    """
    noise = tempering.noise(Dispersion(cluster=assumed, rate=0.0, unexcluded=1.0))
    stable_like = np.arange(clusters + 1) * size
    chance, units = binomial(clusters, share), [0.0, float(extra_size)]
    often = min(1.0, allowed / extra_size)
    allowance = share_bets.Allowance(
        np.array(allowed * (1 - share)), np.array(share * (usual + allowed)), np.array(share)
    )
    mean = np.zeros(share_bets.FRACTIONS.size)
    for extra, weight in zip(units, (1 - often, often), strict=True):
        n = np.full(clusters + 1, clusters * size + extra)
        x_c = stable_like + extra
        payoff = share_bets.log_payoff(noise, n, x_c, n * share, allowance)
        mean = mean + weight * (chance @ np.exp(payoff))
    assert (mean <= 1 + 1e-9).all()


def test_an_older_journals_test_goes_on_as_it_began():
    """`Learned` of older journals has no `rate`; the numbers are those of the test of then."""
    rng, test = np.random.default_rng(45), start(
        RateMargin(1.0, 0.01, Dispersion(4.0, 0.1, 0.5, 0.01, 3.0, 2, 8, 1440))
    )  # fmt: skip
    for _ in range(40):
        canary, stable = map(int, rng.binomial(300, (0.02, 0.002)))
        test = test.update(Counts((300, canary), (300, stable)))
    assert test.logs.harm == pytest.approx(2.9407347354843654, abs=1e-12)
    assert test.logs.safe == pytest.approx(-1.7473640420592766, abs=1e-12)


@pytest.mark.parametrize("base", [0.0, 0.0001, 0.01])
def test_the_fewer_bad_units_the_past_has_the_less_it_excludes(base):
    def learn(rate):
        history = CountsModel(rate=20.0, base=rate).history(np.random.default_rng(3), 1, 2880)
        e, x = (counts[0] for counts in history)
        return estimate_totals(e.sum(axis=1), x.sum(axis=1)), estimate(ExposureHistory(e, x), 2)

    for few, many in zip(learn(base), learn(max(base, 0.001) * 10), strict=True):
        assert few.unexcluded > many.unexcluded >= many.brief + many.passing
        assert few.rate < many.rate


def test_what_stable_has_shown_is_not_sized_anew():
    noise = tempering.noise(Dispersion(rate=0.01, unexcluded=2.0, pods_canary=2, pods_stable=8))
    assert tempering.unlearnt(noise, 300, [0.0, 0.01, 0.02]).tolist() == [0, 0, pytest.approx(3)]
    assert tempering.unlearnt(tempering.noise(Dispersion()), 300, 0.5) == 0
