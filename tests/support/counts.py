"""Counts and histograms for the laws of the analysis."""

from __future__ import annotations

import math

from hypothesis import strategies as st

from analysis.counting.counts import Counts
from analysis.histograms.alternatives import HistogramTolerance
from analysis.rates.rate import RateMargin
from analysis.verdict.histogram_test import HistogramTest
from analysis.verdict.rate_test import RateTest

HUGE = 10**12


def start(rule: RateMargin | HistogramTolerance) -> RateTest | HistogramTest:
    """Return the test of a margin or tolerance before any look."""
    return RateTest(rule) if isinstance(rule, RateMargin) else HistogramTest(rule)


EDGES = (10.0, 20.0, 25.0, 40.0, 50.0, math.inf)


SCALE = (0.1, 0.2, 0.3, 0.4, 0.5, math.inf)


counts = st.one_of(st.integers(0, 50), st.integers(0, HUGE))


rates = st.builds(
    lambda c, s, x, y: Counts((c, min(x, c)), (s, min(y, s))), counts, counts, counts, counts
)


shapes = st.sampled_from(
    [(HistogramTolerance(0.25, relative=True, worse="high"), EDGES),
     (HistogramTolerance(0.1, relative=False, worse="low"), SCALE)]
)  # fmt: skip
