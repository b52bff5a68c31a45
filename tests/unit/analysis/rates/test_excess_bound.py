"""The excess bound: its bets, its bounds and its prior."""

import numpy as np
import pytest

from analysis.rates import excess_bound
from benchmarks.worlds import paths


def test_the_bound_solves_its_equation():
    below = paths.below([1000, 10], [3000, 10], [9, 3], [40, 0], 1.25)
    bound = excess_bound.excess_bound(below, 0.05)
    logs = np.log(
        (excess_bound.WEIGHTS * np.exp(below + excess_bound.LEVELS * bound[:, None])).sum(axis=-1)
    )
    assert logs == pytest.approx(-np.log(0.05))


def test_safe_means_that_the_bound_is_below_what_the_margin_allows():
    below = paths.below(1000, 3000, 2, 30)
    bound = excess_bound.excess_bound(below, 0.05) / 1000
    for margin in (bound * 0.999, bound * 1.001):
        assert (excess_bound.log_safe(below, 1000, margin) >= np.log(20)) == (margin > bound)


def test_without_data_the_bound_is_a_few_requests():
    assert 0 < excess_bound.excess_bound(np.zeros(12), 0.05) < 10
    assert excess_bound.excess_floor(np.zeros(12), 0.05) == -excess_bound.excess_bound(
        np.zeros(12), 0.05
    )


def test_a_level_that_cannot_be_bet_gives_up_rather_than_gain():
    above = paths.above(9000, 100, 50, 1)
    assert above[-1] == pytest.approx(-excess_bound.LEVELS[-1] * 9000)
    assert np.isfinite(above).all()


def test_the_lower_bound_holds_where_stable_is_far_worse_and_seldom_asked():
    """A thousand requests of stable, half of them bad, beside a million of the canary. Seed 15."""
    rng, e_c, e_s = np.random.default_rng(15), 1_000_000, 1_000
    above = paths.above(e_c, e_s, rng.binomial(e_c, 0.1, 200), rng.binomial(e_s, 0.5, 200))
    truth = e_c * (0.1 - 0.5)
    assert (excess_bound.excess_floor(above, 0.01) <= truth).all()


def test_a_bet_that_cannot_be_placed_at_one_look_is_not_lost_for_good():
    few, many = paths.above(30, 1, 0, 0), paths.above(100, 1000, 60, 1)
    assert excess_bound.excess_floor(few + many, 0.05) > 0


@pytest.mark.parametrize("arms", [(0, 100, 0, 3), (100, 0, 3, 0)])
def test_one_armed_looks_bet_nothing(arms):
    assert not paths.below(*arms).any()
    assert not paths.above(*arms).any()


def test_an_informed_prior_leans_to_the_bet_that_knows_the_shares():
    weights = excess_bound.prior(0.01, 0.027)
    assert weights.sum() == pytest.approx(1)
    assert excess_bound.LEVELS[weights.argmax()] == pytest.approx((0.027 - 0.01) / 0.037, abs=0.05)
    assert weights.min() > 0.01


def test_a_prior_without_anything_to_win_is_still_a_prior():
    weights = excess_bound.prior([0.02, 0.0, 0.5], [0.01, 0.0, 0.5])
    assert weights.sum(axis=-1) == pytest.approx(1)
    assert (weights > 0).all()
