"""The sign test of pairs: exact under any preference for a place, and sane in power."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.rates.sign_test import (
    BLOCK,
    RHO,
    PairCounts,
    SignTest,
    find_boundary,
    find_even_weight,
    find_least_share,
    log_mixture,
)
from tests.support.examples import draw_up_to

ALPHA = 0.05


def play(dice, *, wins=0.5, preference=0.0, canary_first=0.5, looks=60, per_look=8, drift=False):
    """A sequence of tests after each look; the preference may swing and the orders be uneven."""
    test = SignTest()
    for look in range(looks):
        swing = preference * (math.cos(look / 5) if drift else 1.0)
        n = int(dice.poisson(per_look))
        n_c = int(dice.binomial(n, canary_first))
        x_c = int(dice.binomial(n_c, 1 - min(max(wins + swing, 0), 1)))
        x_s = int(dice.binomial(n - n_c, 1 - min(max(wins - swing, 0), 1)))
        test = test.update(PairCounts(n_c, x_c, n - n_c, x_s))
        yield test


@pytest.mark.parametrize("per_look", [1, 8, 80])
@pytest.mark.parametrize(
    ("preference", "canary_first", "drift"),
    [(0.0, 0.5, False), (0.4, 0.5, False), (0.45, 0.85, False), (0.4, 0.2, True)],
)
def test_a_preference_for_a_place_is_no_better_version(per_look, preference, canary_first, drift):
    runs, wrong = 400, [0, 0]
    dice = np.random.default_rng(7)
    for _ in range(runs):
        more = fewer = -math.inf
        for test in play(
            dice,
            preference=preference,
            canary_first=canary_first,
            drift=drift,
            per_look=per_look,
        ):
            more, fewer = max(more, test.log_more(0.5)), max(fewer, test.log_fewer(0.5))
        wrong[0] += more >= -math.log(ALPHA)
        wrong[1] += fewer >= -math.log(ALPHA)
    bar = ALPHA * runs + 3 * math.sqrt(ALPHA * (1 - ALPHA) * runs)
    assert max(wrong) <= bar


@pytest.mark.parametrize(("preference", "canary_first"), [(0.0, 0.5), (0.3, 0.8), (-0.3, 0.5)])
def test_a_better_version_is_found(preference, canary_first):
    dice, concluded = np.random.default_rng(3), 0
    for _ in range(100):
        tests = play(dice, wins=0.62, preference=preference, canary_first=canary_first, looks=100)
        concluded += any(test.log_fewer(0.5) >= -math.log(ALPHA) for test in tests)
    assert concluded >= 90


def test_it_costs_little_against_a_test_that_is_asked_once():
    """At 60 % a sign test that is asked once, at .05 with power .8, takes 153 pairs."""
    dice, taken = np.random.default_rng(5), []
    for _ in range(200):
        tests = play(dice, wins=0.6, looks=300)
        taken.append(next(t.counts.decided for t in tests if t.log_fewer(0.5) >= -math.log(ALPHA)))
    assert np.median(taken) < 2.5 * 153


def test_bounds_hold_at_all_looks_at_once():
    dice, missed = np.random.default_rng(11), 0
    for _ in range(300):
        bounds = [test.bound(ALPHA / 2, ALPHA / 2) for test in play(dice, wins=0.4, preference=0.2)]
        missed += any(not low <= 0.6 <= high for low, high in bounds)
    assert missed <= ALPHA * 300 + 3 * math.sqrt(ALPHA * 300)


@given(
    st.lists(
        st.tuples(st.integers(0, 9), st.integers(0, 9), st.integers(0, 9), st.integers(0, 9)),
        max_size=20,
    )
)
@draw_up_to(200)
def test_an_estimate_lies_in_its_bounds_and_nothing_is_no_number(looks):
    test = SignTest()
    for n_c, x_c, n_s, x_s in looks:
        test = test.update(PairCounts(n_c + x_c, x_c, n_s + x_s, x_s))
    low, high = test.bound(ALPHA, ALPHA)
    assert 0 <= low <= high <= 1
    if test.lost_share is not None:
        assert low <= test.lost_share <= high
    assert math.isfinite(test.log_more(0.5))
    assert math.isfinite(test.log_fewer(0.5))


def test_one_order_alone_says_nothing():
    test = SignTest()
    for _ in range(50):
        test = test.update(PairCounts(canary_first=10, canary_first_lost=0))
    assert test.log_fewer(0.5) == test.log_more(0.5) == 0
    assert test.lost_share is None
    assert test.bound(ALPHA, ALPHA) == (0, 1)
    after = test.update(PairCounts(stable_first=BLOCK, stable_first_lost=BLOCK))
    assert after.lost_share == 0.5  # both orders: the first place won all of it
    assert after.log_fewer(0.5) < 0


@pytest.mark.parametrize(("excess", "variance"), [(3.0, 10.0), (-40.0, 200.0), (90.0, 800.0)])
def test_the_mixture_is_the_integral(excess, variance):
    """By a fine sum over the bets, independent of the closed form."""
    bets = np.linspace(0, 12 / math.sqrt(RHO), 2_000_001)
    density = 2 * math.sqrt(RHO / (2 * math.pi)) * np.exp(-RHO * bets**2 / 2)
    capital = np.trapezoid(density * np.exp(bets * excess - bets**2 * variance / 2), bets)
    assert log_mixture(excess, variance) == pytest.approx(math.log(capital), rel=1e-9, abs=1e-9)


def test_the_boundary_is_where_the_evidence_is_enough():
    for variance in (0.0, 3.0, 1e4):
        reached = log_mixture(find_boundary(variance, 0.01), variance)
        assert reached == pytest.approx(math.log(100), rel=1e-9)


@pytest.mark.parametrize(("wins", "rollbacks"), [(0.0, range(40, 75)), (0.05, range(20))])
def test_half_of_all_runs_find_the_least_share(wins, rollbacks):
    """And few find a canary that wins five points more; a run may cross the boundary early."""
    *_, last = play(np.random.default_rng(1))
    least, dice = find_least_share(0.6, last.weight, ALPHA), np.random.default_rng(8)
    assert least is not None
    runs = [[*play(dice, wins=1 - least + wins)][-1] for _ in range(100)]
    harmful = sum(run.log_more(0.6) >= -math.log(ALPHA) for run in runs)
    assert harmful in rollbacks


def test_half_of_all_even_runs_are_proven_with_the_weight_for_it():
    weight, dice = find_even_weight(0.1, ALPHA), np.random.default_rng(9)
    assert weight is not None
    proven = 0
    for _ in range(100):
        test = next(t for t in play(dice, looks=400) if t.weight >= weight)
        proven += test.log_fewer(0.6) >= -math.log(ALPHA)
    assert proven in range(40, 61)


def test_where_nothing_is_enough_there_is_none():
    assert find_least_share(0.6, 4.0, 0.01) is None
    assert find_even_weight(1e-6, 0.05) is None


def test_far_below_it_stays_smooth():
    values = [log_mixture(excess, 100.0) for excess in np.linspace(-400, -300, 50)]
    assert np.all(np.diff(values) > 0)
    assert np.all(np.abs(np.diff(values, 2)) < 1e-4)
