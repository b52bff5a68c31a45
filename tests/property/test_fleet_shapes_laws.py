"""Histograms folded at once say what each says alone."""

import math

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis import fleet_shapes as fleets
from analysis.counting.counts import Counts
from analysis.histograms.alternatives import HistogramTolerance
from tests.support.counts import start

HUGE = 10**12
EDGES = (10.0, 11.0, 12.5, 14.0, 16.0, 20.0, 25.0, 32.0, 40.0, math.inf)
UNIT = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, math.inf)
RULES = [
    (HistogramTolerance(0.25, relative=True, worse="high"), EDGES),
    (HistogramTolerance(0.1, relative=True, worse="high"), EDGES),
    (HistogramTolerance(0.1, relative=False, worse="low"), UNIT),
]
counts = st.one_of(st.just(0), st.integers(0, 40), st.integers(0, 3_000), st.integers(0, HUGE))
buckets = st.one_of(
    st.just((0,) * len(EDGES)),
    st.lists(counts, min_size=len(EDGES), max_size=len(EDGES)).map(tuple),
)


@st.composite
def stories(draw):
    """A few histograms under one rule, and looks at some of them."""
    size = draw(st.integers(1, 3))
    looks = []
    for _ in range(draw(st.integers(0, 5))):
        rows = draw(st.lists(st.integers(0, size - 1), unique=True, min_size=1))
        row_counts = [(draw(buckets), draw(buckets)) for _ in rows]
        looks.append((draw(st.sampled_from(["learn", "look", "look"])), rows, row_counts))
    return size, draw(st.sampled_from(RULES)), looks


@settings(deadline=None)
@given(stories())
def test_folding_at_once_equals_folding_one_by_one(story):
    size, (rule, edges), looks = story
    fleet = fleets.start(rule, edges, size)
    alone = [start(rule) for _ in range(size)]
    units = np.zeros(size)
    for kind, rows, row_counts in looks:
        canary, stable = (np.array(arm, dtype=float) for arm in zip(*row_counts, strict=True))
        if kind == "learn":
            fleets.learn(fleet, stable, np.array(rows))
        else:
            fleets.look(fleet, canary, stable, np.array(rows))
        for row, (c, s) in zip(rows, row_counts, strict=True):
            update = alone[row].learn if kind == "learn" else alone[row].update
            alone[row] = update(Counts(c, s, edges))
            units[row] += sum(c) + sum(s)
    for row, capital in enumerate(alone):
        # Both ways lose some 1e-16 of a logarithm for each unit, and logarithms reach 30.
        close = {"rtol": 1e-9, "atol": 1e-9 + 1e-14 * units[row]}
        harm, safe = capital.logs.harm, capital.logs.safe
        here = np.array([row])
        np.testing.assert_allclose(fleets.log_harm(fleet, here)[0], harm, **close)
        np.testing.assert_allclose(fleets.log_safe(fleet, here)[0], safe, **close)
