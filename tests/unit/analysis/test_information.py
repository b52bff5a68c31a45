"""Information bounds: formulas against a search, and the production tests against the bounds."""

from __future__ import annotations

import math

import numpy as np
import pytest

from analysis.histograms import bucket_test
from analysis.histograms.alternatives import HistogramTolerance
from analysis.information import (
    harm_divergence,
    least_flagged,
    needed,
    rate_divergence,
    safe_divergence,
    shape_divergence,
)
from analysis.rates import excess_bound, ratio_test
from benchmarks.worlds import paths
from rollout.simulate import Behaviour

SEED = 11
SCORE = HistogramTolerance(0.02, relative=False, worse="low")
LATENCY = HistogramTolerance(0.25, relative=True, worse="high")


def poisson(p, q):
    return p * np.log(p / q) - p + q


@pytest.mark.parametrize(("theta", "ratio", "rho", "p_s"), [(2, 1, 0.1, 0.01), (5, 1.25, 2, 0.05)])
def test_without_an_absolute_margin_it_is_the_conditional_bound(theta, ratio, rho, p_s):
    bound = needed(rate_divergence(theta * p_s, p_s, ratio, 0.0, rho), 0.01)
    q, q_margin = (t * rho / (1 + t * rho) for t in (theta, ratio))
    per_bad_unit = q * np.log(q / q_margin) + (1 - q) * np.log((1 - q) / (1 - q_margin))
    assert bound == pytest.approx(np.log(100) / (p_s * (theta + 1 / rho) * per_bad_unit))


@pytest.mark.parametrize("p_c", [0.001, 0.01, 0.05])
@pytest.mark.parametrize("rho", [0.02, 1.0, 9.0])
def test_the_least_favourable_rate_is_what_a_search_finds(p_c, rho):
    q = np.geomspace(1e-5, 0.5, 200_001)
    searched = (poisson(p_c, 1.5 * q + 0.002) + poisson(0.005, q) / rho).min()
    assert rate_divergence(p_c, 0.005, 1.5, 0.002, rho) == pytest.approx(searched, rel=1e-5)


def test_on_the_margin_nothing_can_be_found_out():
    assert rate_divergence(1.25 * 0.01 + 0.002, 0.01, 1.25, 0.002) == pytest.approx(0, abs=1e-15)
    assert needed(0.0, 0.01) == math.inf


def test_no_bad_units_at_all_are_evidence_too():
    assert 0 < rate_divergence(0.0, 0.0, 1.0, 0.01) == pytest.approx(0.01)


def first_crossing(log_capital, bar):
    """Index of the first look at the bar, one per run; every run must get there."""
    crossed = log_capital >= bar
    assert crossed.any(axis=1).all()
    return crossed.argmax(axis=1) + 1


def test_harm_of_a_rate_is_found_within_half_more_than_the_bound():
    dice, runs, e_c, e_s, p = np.random.default_rng(SEED), 200, 20, 20, 0.02
    looks = 800
    x_c, x_s = dice.binomial(e_c, 3 * p, (runs, looks)), dice.binomial(e_s, p, (runs, looks))
    logs = ratio_test.increment(e_c, e_s, x_c, x_s).cumsum(axis=1)
    taken = first_crossing(ratio_test.log_harm(logs), math.log(100)).mean() * e_c
    bound = needed(rate_divergence(3 * p, p, 1.0), 0.01)
    assert 1.0 < taken / bound < 1.5


def test_safety_of_a_rate_is_proven_within_twice_the_bound():
    dice, runs, e, p, margin = np.random.default_rng(SEED), 200, 200, 0.01, 0.01
    looks = 400
    x_c, x_s = dice.binomial(e, p, (runs, looks)), dice.binomial(e, p, (runs, looks))
    capital = paths.below(e, e, x_c, x_s).cumsum(axis=1)
    exposures = e * np.arange(1, looks + 1)
    logs = excess_bound.log_safe(capital, exposures, margin, excess_bound.prior(p, p, 1.0, margin))
    taken = first_crossing(logs, math.log(20)).mean() * e
    bound = needed(rate_divergence(p, p, 1.0, margin), 0.05)
    assert 1.0 < taken / bound < 2.1


def test_harm_of_a_score_is_found_within_thrice_the_bound():
    dice, runs, e, looks = np.random.default_rng(SEED), 100, 20, 200
    stable, canary = Behaviour(), Behaviour(score=0.55)
    cuts = bucket_test.boundaries(stable.score_edges, "low", relative=False)
    moved = bucket_test.shift_matrix(cuts, SCORE.step)
    past = bucket_test.smoothed(dice.multinomial(20_000, stable.scores)[::-1] @ moved)
    worse = bucket_test.worse_scores(past, cuts, SCORE.tolerance)
    x_c = dice.multinomial(e, canary.scores, (runs, looks))[..., ::-1]
    x_s = dice.multinomial(e, stable.scores, (runs, looks))[..., ::-1] @ moved
    logs = bucket_test.gain(x_c, x_s, *bucket_test.likelihood_ratios(past, worse)).cumsum(axis=1)
    taken = first_crossing(bucket_test.log_harm(logs), math.log(100)).mean() * e
    divergence = harm_divergence(SCORE, stable.score_edges, canary.scores, stable.scores)
    assert 1.0 < taken / needed(divergence, 0.01) < 3.0


def test_more_harm_is_more_information_and_no_harm_is_none():
    stable = Behaviour()
    drops = [
        harm_divergence(SCORE, stable.score_edges, Behaviour(score=s).scores, stable.scores)
        for s in (0.58, 0.57, 0.55)
    ]
    assert drops[0] < 1e-4
    assert drops == sorted(drops)
    assert shape_divergence(stable.scores, stable.scores) == 0.0


@pytest.mark.parametrize("score", [0.6, 0.7, 7.0])
def test_a_canary_that_is_tolerated_at_every_edge_shows_no_harm_however_different_it_is(score):
    stable, canary = Behaviour(score=0.6), Behaviour(score=score)
    assert harm_divergence(SCORE, stable.score_edges, canary.scores, stable.scores) == 0.0
    beyond = Behaviour(score=7.0).scores  # all of both versions in one bucket
    assert harm_divergence(SCORE, stable.score_edges, beyond, beyond) == 0.0


def test_proof_of_safety_needs_more_the_nearer_the_tolerance():
    stable = Behaviour()
    crossings = [
        safe_divergence(
            LATENCY, stable.latency_edges, Behaviour(median_ms=m).latency, stable.latency
        )
        for m in (45, 50, 55, 70)
    ]
    assert crossings == sorted(crossings, reverse=True)
    assert crossings[2] > 0.0 == crossings[3]


def test_buckets_that_cannot_express_a_tolerance_prove_nothing():
    shares = np.array([0.5, 0.4, 0.1])
    assert safe_divergence(LATENCY, (10.0, 100.0), shares, shares) == 0.0


def test_harm_grows_from_123_hundredths_of_the_margin():
    assert least_flagged(0.01, 1.0, 0.0, 1e-6) == pytest.approx(0.01233, rel=1e-3)
    assert least_flagged(0.01, 1.25, 0.0, 1e-6) == pytest.approx(1.233 * 0.0125, rel=1e-3)


@pytest.mark.parametrize(("factor", "grows"), [(0.97, False), (1.05, True)])
def test_capital_falls_below_the_gap_and_grows_above_it(factor, grows):
    dice, p, e = np.random.default_rng(SEED), 0.02, 10_000_000
    edge = least_flagged(p, 1.25, 0.002)
    x_c, x_s = dice.binomial(e, edge * factor), dice.binomial(e, p)
    gain = ratio_test.increment(e, e, x_c, x_s, ratio=1.25, absolute=0.002)
    assert (gain.max() > 0) == grows
