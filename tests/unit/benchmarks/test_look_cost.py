"""The benchmark of a look's cost counts what its pods served."""

import pytest

from benchmarks.look_cost import measure
from benchmarks.worlds.client_pods import EDGES, SERIES


def test_a_few_pods_are_counted_and_their_looks_are_small():
    row = measure(pods=12, looks=2)
    assert (row["pods"], row["series"]) == (12, 12 * SERIES)
    # Three looks, one of them after a restart; pods, versions, counters, units a scrape.
    expected = 3 * 12 * 2 * (2 + len(EDGES)) * 5
    assert 0.9 * expected < row["units"] < 1.1 * expected
    assert 0 < row["look_bytes"] < 4000


@pytest.mark.parametrize("changes", [{}, {"churn": True}, {"event": "restarts"}])
def test_restarts_and_births_count_in_full(changes):
    row = measure(pods=12, looks=3, **changes)
    assert row["problems"] == []
    assert row["units"] == row["served"]
