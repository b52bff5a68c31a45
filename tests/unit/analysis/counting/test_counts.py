"""Evidence is counts, or it is refused with the reason."""

import math

import pytest

from analysis.counting.counts import Counts, EvidenceError


@pytest.mark.parametrize(
    ("counts", "reason"),
    [
        ((-1, 0), "negative"),
        ((10.5, 0), "whole number"),
        ((math.nan, 0), "finite"),
        ((math.inf, 0), "finite"),
        ((10, 0, 0), "one count for each"),
    ],
)
@pytest.mark.parametrize("arm", ["canary", "stable"])
def test_numbers_that_are_no_counts_make_no_evidence(arm, counts, reason):
    with pytest.raises(EvidenceError, match=reason):
        Counts(**{arm: counts})


def test_a_histogram_has_one_count_for_each_bucket():
    edges = (1.0, math.inf)
    assert Counts((1, 2), (10**12, 0), edges).stable_exposures == 10**12
    with pytest.raises(EvidenceError, match="one count for each"):
        Counts((1, 2, 3), (1, 2, 3), edges)
