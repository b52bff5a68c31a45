"""A canary that breaks down late, where nothing is known of how errors come."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binom

from analysis.counting.counts import Counts
from analysis.rates import collapse, late_starts, ratio_test
from analysis.rates.rate import RateMargin
from tests.support.counts import start

MARGINS = [(1.5, 0.0), (1.25, 0.002), (1.0, 0.01)]
EXPOSURES, BAR = 120, np.log(100)


def find_delay(margin, dead, *, calm, is_watched):
    """The looks from a collapse to the evidence for a rollback, after calm ones."""
    ratio, absolute = margin
    rule = RateMargin(ratio, absolute, watches_collapse=is_watched)
    dice, test = np.random.default_rng(4), start(rule)
    for look in range(calm + 60):
        canary, stable = dice.binomial(EXPOSURES, (dead if look >= calm else 0.002, 0.002))
        test = test.update(Counts((EXPOSURES, int(canary)), (EXPOSURES, int(stable))))
        if test.logs.harm >= BAR:
            return look - calm + 1
    return 60


@pytest.mark.parametrize("margin", MARGINS)
def test_a_collapse_is_found_at_once_however_long_all_was_well(margin):
    watched = [find_delay(margin, 1.0, calm=calm, is_watched=True) for calm in (1, 240, 960)]
    assert watched == [1, 1, 1]
    assert find_delay(margin, 1.0, calm=960, is_watched=False) > 1


@pytest.mark.parametrize("margin", MARGINS)
def test_what_is_no_collapse_is_found_as_before(margin):
    delays = [find_delay(margin, 0.1, calm=0, is_watched=watched) for watched in (False, True)]
    assert delays[0] == delays[1]


@pytest.mark.parametrize("margin", MARGINS)
@pytest.mark.parametrize("base", [0.01, 0.3])
def test_a_canary_at_its_margin_gains_nothing_in_expectation(margin, base):
    """Two looks, every outcome of eight canary and eight stable requests."""
    ratio, absolute = margin
    units, share = np.arange(9), min(1.0, base * ratio + absolute)
    chance = np.outer(binom.pmf(units, 8, share), binom.pmf(units, 8, base))
    capital = {
        (x_c, x_s): collapse.add(late_starts.LateStarts(), (8, 8, x_c, x_s), ratio, absolute)
        for x_c in range(9)
        for x_s in range(9)
    }
    mean = sum(
        chance[first]
        * chance[second]
        * np.exp(_log(collapse.add(starts, (8, 8, *second), *margin)))
        for first, starts in capital.items()
        for second in capital
    )
    assert mean <= 1 + 1e-9


def _log(starts):
    return np.logaddexp(ratio_test.log_harm(starts.logs), starts.waiting)


def test_it_is_a_part_of_the_whole_and_older_journals_have_none():
    nothing = late_starts.LateStarts()
    assert collapse.log_harm(0.0, nothing) == pytest.approx(0)
    assert collapse.log_harm(-1e9, nothing) == pytest.approx(np.log(collapse.SHARE))
    older = start(RateMargin(1.25, 0.002))
    for look in range(30):
        older = older.update(Counts((EXPOSURES, look % 3), (EXPOSURES, look % 2)))
    assert older.logs.harm == float(ratio_test.log_harm(older.capital.harm))


def test_bets_that_begin_with_a_holdback_know_of_no_collapse_before():
    test = start(RateMargin(1.0, 0.01, watches_collapse=True))
    for _ in range(3):
        test = test.update(Counts((EXPOSURES, 100), (EXPOSURES, 0)))
    assert test.logs.harm > BAR
    assert test.without_harm_bets().logs.harm == 0
