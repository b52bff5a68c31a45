"""What lasts no longer than stable's own troubles wins little; what outlasts them goes on."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.rates.limit import MOST, Rise, limit

GAINS = st.lists(st.floats(-3, 5), min_size=1, max_size=40)


def run(gains, longest):
    rise, allowed = Rise(np.zeros(1), np.zeros(1)), []
    for gain in gains:
        within, rise = limit(np.array([gain]), rise, np.array([float(longest)]))
        allowed.append(float(within[0]))
    return np.array(allowed)


@given(GAINS)
def test_without_a_trouble_nothing_is_limited(gains):
    assert run(gains, 0).tolist() == gains


@given(GAINS, st.integers(1, 12))
def test_no_stretch_as_long_as_a_trouble_wins_more_than_two_rises(gains, longest):
    allowed = np.concatenate([[0.0], run(gains, longest).cumsum()])
    for first in range(len(gains)):
        stretch = allowed[first : first + longest + 1] - allowed[first]
        assert stretch.max() <= 2 * MOST + 1e-9


@given(GAINS, st.integers(1, 12))
def test_no_look_wins_more_than_without_the_limit(gains, longest):
    assert (run(gains, longest) <= np.maximum(gains, 0.0) + 1e-9).all()


def test_harm_that_outlasts_troubles_wins_in_each_of_their_lengths():
    assert run([2.0] * 12, 4).sum() == pytest.approx(3 * MOST)
