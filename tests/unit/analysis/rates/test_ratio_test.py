"""The ratio test and the mean of log-capitals."""

import numpy as np
import pytest

from analysis.log_arrays import log_mean
from analysis.rates.ratio_test import POINTS, WEIGHTS, increment, log_harm


def test_prior_weights_sum_to_one_so_that_nothing_is_evidence():
    assert pytest.approx(1) == WEIGHTS.sum()
    assert log_harm(np.zeros(6)) == pytest.approx(0)


def test_mean_of_huge_logs_does_not_overflow():
    assert log_mean([1e6, 0.0], [0.5, 0.5]) == pytest.approx(1e6 - np.log(2))


def test_increment_is_the_likelihood_ratio_of_the_canarys_share_of_bad_units():
    e_c, e_s, x_c, x_s, theta0 = 100, 900, 3, 5, 1.25
    q, q0 = (t * e_c / (t * e_c + e_s) for t in (theta0 * POINTS, theta0))
    expected = x_c * np.log(q / q0) + x_s * np.log((1 - q) / (1 - q0))
    assert increment(e_c, e_s, x_c, x_s, ratio=theta0) == pytest.approx(expected)


def test_an_absolute_margin_takes_off_what_it_allows():
    theta, rho = 1.25 * POINTS, 100 / 900
    taken = 0.01 * 100 * (theta - 1.25) / (1.25 * (1 + theta * rho))
    with_margin = increment(100, 900, 3, 5, ratio=1.25, absolute=0.01)
    assert with_margin == pytest.approx(increment(100, 900, 3, 5, ratio=1.25) - taken)


@pytest.mark.parametrize("arms", [(0, 100, 0, 3), (100, 0, 3, 0), (0, 0, 0, 0)])
def test_one_armed_looks_bet_nothing(arms):
    assert not increment(*arms, ratio=1.0, absolute=0.01).any()


def test_leading_axes_are_looks_rollouts_or_metrics():
    many = increment([[100, 0]], [[900, 900]], [[3, 0]], [[5, 5]], ratio=[[1.25, 1.0]])
    assert many.shape == (1, 2, 6)
    assert many[0, 0] == pytest.approx(increment(100, 900, 3, 5, ratio=1.25))
