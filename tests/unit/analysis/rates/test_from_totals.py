"""Without pods: declared rates hold by what totals show, and harm that begins late is found."""

import numpy as np
import pytest

from analysis.counting.counts import Counts
from analysis.dispersion.dispersion import Dispersion
from analysis.dispersion.totals import estimate_totals
from analysis.rates import late_starts
from analysis.rates.rate import RateMargin
from benchmarks.quality import engines
from benchmarks.worlds.rates import CountsModel
from tests.support.counts import start

CALM = Dispersion(by="totals", pods_stable=4, lasting=0.00128, ticks=2880)


@pytest.mark.no_cover  # many runs of what other tests cover
@pytest.mark.parametrize("scenario", ["iid", "retries", "gamma-1", "ar1-.4", "incidents"])
def test_false_rollback_by_what_totals_show_is_as_rare_as_declared(scenario):
    runs, world = 60, CountsModel(scenario)
    rng = np.random.default_rng(12)
    trace = engines.totals_harm(
        world.streams(rng, runs), lambda ticks: world.history(rng, runs, ticks)
    )
    assert (trace.log.max(axis=1) >= -np.log(0.05)).mean() <= 0.1


def looks(rates, seed=2, exposures=300):
    rng = np.random.default_rng(seed)
    for rate in rates:
        canary, stable = rng.binomial(exposures, (rate, 0.01))
        yield Counts((exposures, int(canary)), (exposures, int(stable)))


def find_look(dispersion, rates):
    """The look of the rollback at .01."""
    test = start(RateMargin(1.0, 0.0, dispersion))
    for look, counts in enumerate(looks(rates), 1):
        test = test.update(counts)
        if test.logs.harm >= np.log(100):
            return look
    return len(rates)


def test_late_harm_is_found_sooner_after_a_calm_past_and_early_harm_hardly_later():
    late, early = [0.01] * 120 + [0.03] * 60, [0.03] * 60
    assert find_look(CALM, late) < find_look(None, late)
    assert find_look(CALM, early) <= find_look(None, early) + 1


def test_a_start_at_every_look_is_a_mean_of_tests_that_began_then():
    gains = np.random.default_rng(3).normal(0, 1, 30)
    late, waiting = np.array([late_starts.NONE]), 0.0
    for gain in gains:
        late = late_starts.begin(late, waiting) + gain
        waiting += late_starts.LOG_REMAINING
    weights = late_starts.HAZARD * (1 - late_starts.HAZARD) ** np.arange(30)
    starts = [np.exp(gains[first:].sum()) for first in range(30)]
    assert np.exp(late[0]) == pytest.approx(np.dot(weights, starts))
    assert np.exp(waiting) == pytest.approx(1 - weights.sum())


def test_a_trouble_of_stables_length_decides_nothing_and_harm_that_outlasts_it_does():
    troubled = Dispersion(by="totals", pods_stable=4, lasting=0.00128, ticks=2880, trouble=8)
    brief = [0.01] * 20 + [0.1] * 8 + [0.01] * 40
    assert find_look(None, brief) < len(brief)
    assert find_look(troubled, brief) == len(brief)
    assert find_look(troubled, [0.1] * 60) < 40


def test_what_is_hardly_more_than_independent_is_taken_for_it():
    rng = np.random.default_rng(7)
    e = rng.poisson(600, 2880)
    learned = estimate_totals(e, rng.binomial(e, 0.01))
    assert learned.is_calm
    assert (learned.cluster, learned.passing, learned.inflation) == (1, 0, 1)
