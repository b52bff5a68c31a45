"""What every mesh's weights have in common."""

from fractions import Fraction

from rollout.decide.record.split import Split
from rollout.route.weighted_route import nearest


def test_the_nearest_split_of_one_part_exists():
    assert nearest(Fraction(2, 3), 1) == Split(1, 1)
