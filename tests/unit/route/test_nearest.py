"""The split that is nearest to the shares that a mesh shows."""

from fractions import Fraction

import pytest

from rollout.decide.record.split import Split
from rollout.route.nearest import nearest


@pytest.mark.parametrize(
    ("shares", "total", "split"),
    [
        ([], 100, Split(0)),
        ([Fraction(0)], 100, Split(0)),
        ([Fraction(2, 3)], 1, Split(1, 1)),
        ([Fraction(1, 10_000)], 100, Split(1)),
        ([Fraction(9_999, 10_000)], 100, Split(99)),
        ([Fraction(1)], 100, Split(100)),
        ([Fraction(1, 20), Fraction(1, 10)], 100, Split(15, canaries=(5, 10))),
        ([Fraction(0), Fraction(1, 10)], 100, Split(10, canaries=(0, 10))),
        ([Fraction(1, 10_000), Fraction(1, 2)], 100, Split(50, canaries=(1, 49))),
        ([Fraction(1, 10_000)] * 3, 100, Split(3, canaries=(1, 1, 1))),
        ([Fraction(1, 3)] * 3, 100, Split(100, canaries=(34, 33, 33))),
        ([Fraction(0), Fraction(0)], 100, Split(0)),
    ],
)
def test_nearest_rounds_no_traffic_away(shares, total, split):
    assert nearest(shares, total) == split


def test_requests_that_are_copied_twice_count_as_all():
    assert nearest([Fraction(2)], 100) == Split(100)
