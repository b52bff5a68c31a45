"""A layout that becomes coarser in mid-rollout: what is kept exactly, and what is lost in words."""

import numpy as np
import pytest

from analysis.counting.counts import Counts, EvidenceError
from analysis.counting.native_histogram import Grid, Native, common, merged
from analysis.histograms.alternatives import HistogramTolerance
from analysis.verdict.histogram_test import HistogramTest

FINE, COARSE, COARSEST = (Grid(schema, 0, 8).edges for schema in (4, 3, 1))
RULE = HistogramTolerance(0.1, relative=True, worse="high")
MIDDLE = np.arange(len(FINE)) - 60


def drawn(seed, units, shift=0.0):
    shares = np.exp(-(((MIDDLE - shift) / 16) ** 2) / 2)
    counts = np.random.default_rng(seed).multinomial(units, shares / shares.sum())
    return tuple(map(int, counts))


def evidence(seed, edges, shift=0.0):
    arms = drawn(seed, 300, shift), drawn(1000 + seed, 300)
    canary, stable = (merged(arm, FINE, edges) for arm in arms)
    return Counts(canary, stable, edges)


def folded(edges, looks, before=None):
    test = before or HistogramTest(RULE).learn(evidence(99, edges))
    for seed in looks:
        test = test.update(evidence(seed, edges))
    return test


def test_before_the_first_look_a_coarser_layout_is_as_if_it_had_been_there_all_along():
    learnt = HistogramTest(RULE).learn(evidence(99, FINE))
    assert folded(COARSE, range(3), learnt) == folded(COARSE, range(3))


def test_a_proof_goes_on_where_its_edges_are_still_there_and_else_begins_anew():
    before = folded(FINE, range(5))
    after = before.update(evidence(5, COARSE))
    old, new = before.capital, after.capital
    assert sum(new.history) == sum(old.history) + 300
    old_edges = {(FINE[p.edge], FINE[p.partner]) for p in old.chosen}
    is_old = [(COARSE[p.edge], COARSE[p.partner]) in old_edges for p in new.chosen]
    assert {True, False} == set(is_old)
    assert [contrast.e_c for contrast in new.contrasts] == [1800 if o else 300 for o in is_old]
    assert folded(COARSE, range(6, 160), after).logs.safe > 3


def test_harm_is_found_across_the_change():
    before = folded(FINE, range(2))
    after = before.update(evidence(7, COARSE, shift=10.0))
    assert after.logs.harm > before.logs.harm + 5


def test_buckets_that_become_coarser_than_the_tolerance_are_said():
    after = folded(COARSEST, [5], folded(FINE, range(5)))
    assert "coarser than the tolerance" in after.problem
    assert after.logs.safe == -np.inf


@pytest.mark.parametrize(
    ("histograms", "words"),
    [
        (Native(-1, (0.0, 2.0, np.inf), ((0, 1, 1),)), "factor of two"),
        (Native(3, (-1000.0, 1000.0, np.inf), ((0, 1, 1),)), "spread too far"),
        (Native(3, (9.0, 9.125, np.inf), ((5, 6, 6),)), "zero bucket"),
    ],
)
def test_data_without_a_useful_layout_are_refused_in_words(histograms, words):
    grid = None if words != "zero bucket" else Grid(3, 0, 8)
    with pytest.raises(EvidenceError, match=words):
        common(grid, [histograms])
