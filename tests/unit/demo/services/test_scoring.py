"""The score: bounds, an example by hand, and edges that print as they are meant."""

import pytest

from rollout.demo.services.corpus import Note, notes
from rollout.demo.services.scoring import EDGES, score

NOTE = Note("n", "text", "The drug was stopped", ("drug", "kidney"))


def test_the_mean_of_rouge_l_and_coverage():
    # Three of four and three of three words in common: F1 = 6/7; one of two facts.
    assert score(NOTE, "Drug was stopped") == pytest.approx((6 / 7 + 1 / 2) / 2)


def test_bounds():
    assert score(NOTE, "") == 0
    assert score(NOTE, "The drug was stopped kidney") < 1
    best = [score(note, note.reference) for note in notes().values()]
    assert min(best) > 0.75
    assert max(best) == 1


def test_edges_print_with_two_decimals_and_end_at_one():
    assert [repr(edge) for edge in EDGES] == [repr(float(f"{e / 50:.2f}")) for e in range(1, 51)]
    assert EDGES[-1] == 1
    assert max(len(repr(edge)) for edge in EDGES) == 4
