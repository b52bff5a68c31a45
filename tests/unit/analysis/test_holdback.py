"""Stable as the minority: the declared rates hold where the canary has nearly all the traffic."""

import numpy as np
import pytest

from analysis import sample_ratio
from analysis.rates import late_starts, ratio_test

RUNS, LOOKS, ALPHA = 800, 240, 0.05
CLIMB = np.array([0.01, 0.05, 0.25, 0.5])
WEIGHT = np.concatenate([np.repeat(CLIMB, 15), np.full(LOOKS - 60, 0.95)])  # three quarters held


def limit(alpha):
    """The declared rate and three Monte-Carlo standard errors."""
    return alpha + 3 * np.sqrt(alpha * (1 - alpha) / RUNS)


def harm(rng, p_stable, p_canary):
    """Log-capital of bets from the first look on, and of those that waited for the holdback."""
    e_c = rng.binomial(600, WEIGHT, (RUNS, LOOKS))
    e_s = 600 - e_c
    x_c, x_s = rng.binomial(e_c, p_canary), rng.binomial(e_s, p_stable)
    gains = ratio_test.increment(e_c, e_s, x_c, x_s, ratio=1.25, absolute=0.002)
    held = np.where(np.arange(LOOKS)[:, None] < 60, 0.0, gains)
    return [ratio_test.log_harm(bets.cumsum(axis=1)) for bets in (gains, held)]


def mean(first, since):
    return np.vectorize(late_starts.log_harm)(first, since)


@pytest.mark.parametrize("base", [0.001, 0.01, 0.05])
def test_a_canary_at_its_margin_is_rolled_back_as_rarely_as_declared(base):
    rng = np.random.default_rng([31, round(base * 1000)])
    incident = np.repeat(rng.random((RUNS, LOOKS // 10)) < 0.1, 10, axis=1)
    p = np.minimum(base * np.where(incident, 10, 1), 0.3)
    crossed = mean(*harm(rng, p, np.minimum(1.25 * p + 0.002, 1))) >= -np.log(ALPHA)
    assert crossed.any(axis=1).mean() <= limit(ALPHA)


def looks_to(logs, since):
    crossed = logs >= -np.log(ALPHA)
    assert crossed[:, :since].any(axis=1).mean() <= limit(ALPHA)
    return np.where(crossed.any(axis=1), crossed.argmax(axis=1), LOOKS) - since


def test_harm_that_begins_with_the_holdback_is_found_by_what_waited_for_it():
    rng = np.random.default_rng(32)
    canary = np.where(np.arange(LOOKS) < 60, 0.01, 0.04)
    first, since = harm(rng, np.full(LOOKS, 0.01), canary)
    both = looks_to(mean(first, since), 60)
    assert np.median(both) < 25
    assert np.median(looks_to(first, 60)) > 3 * np.median(both), "what spoke for it before"


def test_harm_from_the_first_look_on_is_found_as_soon():
    rng = np.random.default_rng(34)
    first, since = harm(rng, np.full(LOOKS, 0.01), np.full(LOOKS, 0.04))
    both, alone = looks_to(mean(first, since), 0), looks_to(first, 0)
    assert both.mean() <= 1.03 * alone.mean()


def test_a_share_that_is_right_is_rarely_called_wrong_and_a_wrong_one_is():
    rng = np.random.default_rng(33)
    for share, few in ((0.95, True), (0.90, False)):
        e_c = rng.binomial(600, share, (RUNS, 60))
        gains = sample_ratio.increment(e_c, 600 - e_c, 0.95).cumsum(axis=1)
        wrong = (sample_ratio.log_mismatch(gains) >= -np.log(sample_ratio.ALPHA)).any(axis=1).mean()
        assert wrong <= limit(sample_ratio.ALPHA) if few else wrong > 0.99
