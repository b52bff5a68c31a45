"""Evidence that is corrected for having asked several questions."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.family import adjust

LOGS = st.lists(st.floats(-20, 40), min_size=1, max_size=7)


@given(LOGS)
def test_it_is_closed_testing_by_means_over_every_set(logs):
    """An independent computation: all sets that hold the e-value, one by one."""
    values, indices = np.exp(logs), range(len(logs))
    for index, adjusted in enumerate(adjust(logs)):
        sets = (
            (*others, index)
            for size in indices
            for others in combinations([other for other in indices if other != index], size)
        )
        least = min(values[list(own)].mean() for own in sets)
        assert adjusted == pytest.approx(np.log(least), rel=1e-9, abs=1e-9)


@given(LOGS)
def test_no_evidence_grows_and_the_order_stays(logs):
    adjusted = adjust(logs)
    assert all(after <= before + 1e-12 for after, before in zip(adjusted, logs, strict=True))
    order = np.argsort(logs, kind="stable")
    assert np.all(np.diff(np.array(adjusted)[order]) >= -1e-9)


def test_one_question_needs_no_correction():
    assert adjust([3.5]) == [3.5]
    assert adjust([]) == []
