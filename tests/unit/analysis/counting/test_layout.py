"""Histograms of several bucket layouts: counted at the edges that all of them have, exactly."""

import math

import pytest

from analysis.counting.belief import count_believed
from analysis.counting.counts import Counts, EvidenceError
from analysis.counting.cursor import Cursor, Series

INF = math.inf


def histogram(arm, edges, *samples):
    taken = tuple((float(at), tuple(map(float, counts))) for at, counts in samples)
    return Series("h", arm, taken, edges=(*edges, INF))


def look(cursor, *series):
    return count_believed(cursor, series, {})


def test_layouts_that_share_edges_are_counted_on_these():
    base = look(Cursor(), histogram("stable", (1, 5, 9), (10, (1, 2, 3, 4))),
                histogram("canary", (1, 9, 20), (10, (0, 1, 2, 3))))  # fmt: skip
    belief = look(base.cursor, histogram("stable", (1, 5, 9), (20, (2, 4, 6, 9))),
                  histogram("canary", (1, 9, 20), (20, (2, 4, 5, 6))))  # fmt: skip
    assert belief.counts == Counts((2, 1, 0), (1, 2, 2), (1.0, 9.0, INF))


def test_a_layout_that_comes_later_leaves_what_was_counted_comparable():
    base = look(Cursor(), histogram("stable", (1, 5, 9), (10, (1, 2, 3, 4))))
    belief = look(base.cursor, histogram("stable", (1, 9, 50), (20, (2, 6, 7, 9))))
    assert belief.counts == Counts((0, 0, 0), (1, 2, 2), (1.0, 9.0, INF))


def test_layouts_without_a_common_edge_are_refused():
    with pytest.raises(EvidenceError, match="bucket layouts differ"):
        look(Cursor(), histogram("stable", (1,), (10, (1, 2))),
             histogram("canary", (2,), (10, (1, 2))))  # fmt: skip
