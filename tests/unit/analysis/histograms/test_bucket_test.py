"""The bucket test: badness scales, tolerance shift, alternatives."""

import math

import numpy as np
import pytest

from analysis.counting import beyond
from analysis.histograms import bucket_test as h

LATENCY = (10.0, 20.0, 40.0, 80.0, math.inf)
SCORE = (0.2, 0.4, 0.6, 0.8, math.inf)


def test_badness_grows_whichever_end_is_bad():
    assert h.boundaries(LATENCY, "high", relative=True) == pytest.approx(np.log(LATENCY[:-1]))
    assert h.boundaries(SCORE, "low", relative=False) == (-0.8, -0.6, -0.4, -0.2)
    assert beyond.oriented((1, 2, 3), "low").tolist() == [3, 2, 1]


def test_a_relative_tolerance_needs_positive_edges():
    with pytest.raises(ValueError, match="positive"):
        h.boundaries((0.0, 1.0, math.inf), "high", relative=True)


def test_a_shift_by_a_whole_bucket_moves_every_unit_to_the_next():
    moved = h.shift_matrix(h.boundaries(LATENCY, "high", relative=True), math.log(2))
    assert (np.array([1, 2, 3, 4, 5]) @ moved).tolist() == [0, 1, 2, 3, 9]


def test_a_shift_by_more_than_a_bucket_splits_each():
    moved = h.shift_matrix(h.boundaries(SCORE, "low", relative=False), 0.25)
    assert np.array([0, 8, 0, 0, 0]) @ moved == pytest.approx([0, 0, 6, 2, 0])
    assert moved.sum(axis=1) == pytest.approx(1)


def test_a_bucket_wider_than_the_shift_may_hold_all_its_units_at_its_worse_end():
    moved = h.shift_matrix(h.boundaries(SCORE, "low", relative=False), 0.05)
    assert (np.array([1, 8, 0, 0, 5]) @ moved).tolist() == [0, 1, 8, 0, 5]


def test_edges_that_were_rounded_are_a_tolerance_apart_all_the_same():
    edges = tuple(round(0.01 * 1.1**i, 4) for i in range(30))
    moved = h.shift_matrix(h.boundaries(edges, "high", relative=True), math.log1p(0.1))
    assert np.eye(31, k=1)[:-1] == pytest.approx(moved[:-1], abs=0.1)


def test_latency_alternatives_move_mass_to_the_worse_end():
    q_s = h.smoothed([50, 30, 15, 4, 1])
    q_a = h.worse_latencies(q_s)
    assert q_a.shape == (9, 5)
    assert q_a.sum(axis=-1) == pytest.approx(1)
    assert (q_a[:, -1] > q_s[-1]).all()


def test_probit_shifts_are_those_of_a_normal_scale():
    from scipy.special import ndtr

    cuts = np.linspace(-2, 2, 9)
    q_s = np.diff(ndtr(cuts), prepend=0, append=1)
    beyond = h.worse_latencies(q_s)[4][::-1].cumsum()[::-1][1:]
    assert beyond == pytest.approx(ndtr(-(cuts - 1.0)), abs=1e-6)


def test_score_alternatives_lower_the_mean_by_their_drop():
    edges = (*np.round(np.arange(0, 1.01, 0.02), 2), math.inf)
    cuts = h.boundaries(edges, "low", relative=False)
    inner = np.array(cuts)
    q_s = np.exp(-0.5 * (np.append(inner, 0.01) / 0.1 + 6) ** 2)
    q_s /= q_s.sum()
    middles = np.append(inner - 0.01, 0.01)
    means = (h.worse_scores(q_s, cuts, 0.04) * middles).sum(axis=-1) - (q_s * middles).sum()
    assert means[:3] == pytest.approx([0.02, 0.04, 0.08], rel=0.02)


def test_a_canary_like_stable_loses_and_a_worse_one_wins():
    q_s = h.smoothed([500, 300, 150, 40, 10])
    q_a = h.worse_latencies(q_s)
    stable = np.array([500, 300, 150, 40, 10])
    assert h.log_harm(h.gain(stable, stable, *h.likelihood_ratios(q_s, q_a))) < 0
    assert h.log_harm(h.gain([300, 300, 200, 150, 50], stable, *h.likelihood_ratios(q_s, q_a))) > 10


def test_one_armed_looks_bet_nothing():
    q_s = h.smoothed([5, 3, 1])
    q_a = h.worse_latencies(q_s)
    assert not h.gain([0, 0, 0], [5, 3, 1], *h.likelihood_ratios(q_s, q_a)).any()
    assert not h.gain([0, 0, 9], [0, 0, 0], *h.likelihood_ratios(q_s, q_a)).any()
