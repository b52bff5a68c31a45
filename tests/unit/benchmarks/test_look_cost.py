"""The benchmark of a look's cost counts what its pods served."""

from benchmarks.look_cost import EDGES, SERIES, measure


def test_a_few_pods_are_counted_and_their_looks_are_small():
    row = measure(pods=12, looks=2)
    assert (row["pods"], row["series"]) == (12, 12 * SERIES)
    # Three looks, one of them after a restart; pods, versions, counters, units a scrape.
    expected = 3 * 12 * 2 * (2 + len(EDGES)) * 5
    assert 0.9 * expected < row["units"] < 1.1 * expected
    assert 0 < row["look_bytes"] < 4000
