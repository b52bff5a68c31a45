"""Which edges are compared."""

import math

import numpy as np
import pytest

from analysis.histograms.bucket_test import boundaries
from analysis.histograms.edges import Pair, choose, pairs


def test_an_exact_partner_is_a_tolerance_better():
    cuts = boundaries((40, 50, 80, 100, math.inf), "high", relative=True)
    assert pairs(cuts, math.log(1.25)) == (Pair(1, 0, 0.0), Pair(3, 2, 0.0))


def test_an_inexact_partner_is_the_stricter_one():
    cuts = boundaries((40, 45, 50, math.inf), "high", relative=True)
    found_pairs = {pair.edge: pair for pair in pairs(cuts, math.log(1.2))}
    assert found_pairs[2].partner == 1
    assert found_pairs[2].slack == pytest.approx(math.log(45 / 50 * 1.2) / math.log(1.2))


def test_scores_are_paired_with_a_better_edge_too():
    cuts = boundaries((0.3, 0.32, 0.34, 0.36, math.inf), "low", relative=False)
    found_pairs = pairs(cuts, 0.04)
    assert [(pair.edge, pair.partner) for pair in found_pairs] == [(1, 0), (2, 0), (3, 1)]
    assert [pair.slack for pair in found_pairs] == pytest.approx([0.5, 0.0, 0.0])


def test_edges_wider_than_the_tolerance_have_no_partner():
    assert pairs(boundaries((50, 100, 200, math.inf), "high", relative=True), math.log(1.25)) == ()


def test_edges_lie_near_the_guarded_quantiles_of_the_past():
    cuts = tuple(np.arange(0, 100.0))
    past = np.full(101, 1000)
    edges = [pair.edge for pair in choose(past, cuts, 2.0)]
    assert edges == pytest.approx([50, 90, 95, 99], abs=1)


def test_exact_pairs_are_preferred_to_nearer_ones():
    cuts = (0.0, 0.9, 1.0, 2.0, 2.6)
    past = np.array([400, 90, 10, 400, 50, 50])
    assert [pair.edge for pair in choose(past, cuts, 1.0)] == [2, 3]
    assert 4 in {pair.edge for pair in pairs(cuts, 1.0)}


def test_a_tail_without_pairs_is_not_guarded():
    cuts = (0.0, 1.0, 10.0, 20.0)
    assert choose(np.array([50, 20, 27, 2, 1]), cuts, 1.0) == ()


def test_edges_that_stable_never_passed_are_not_chosen():
    cuts = tuple(np.arange(0, 10.0))
    chosen = choose(np.array([50, 30, 15, 5, 0, 0, 0, 0, 0, 0, 0]), cuts, 1.0)
    assert max(pair.partner for pair in chosen) <= 2
