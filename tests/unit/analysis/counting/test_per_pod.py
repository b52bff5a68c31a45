"""Counts per tick and pod: resets, births, gaps and late samples, each in its tick."""

import math

import pytest

from analysis.counting.counts import EvidenceError
from analysis.counting.cursor import Series
from analysis.counting.per_pod import TickGrid, count

START, STEP = 1000.0, 2.0


def series(values, first=0, **words):
    """A series with a sample per grid time from `first` on; None where one is missing."""
    samples = tuple(
        (START + STEP * (first + i), value if isinstance(value, tuple) else (value,))
        for i, value in enumerate(values)
        if value is not None
    )
    return Series("key", "stable", samples, **words)


def counts(*pods, ticks=4, settled=0):
    named = {f"pod-{i}": list(group) for i, group in enumerate(pods)}
    return count(named, TickGrid(START, STEP, ticks), settled)


def exposures(*group, **words):
    return counts(group, **words).exposures[:, 0].tolist()


def test_each_tick_has_what_it_added():
    past = counts([series([5, 6, 8, 11, 15]), series([0, 0, 1, 1, 1], bad=True)])
    assert past.counts[:, 0].tolist() == [[1, 0], [3, 1], [3, 0], [4, 0]]
    assert past.ends == (1002.0, 1004.0, 1006.0, 1008.0)


def test_pods_stand_apart_in_the_order_given():
    past = counts([series([0, 1, 2, 3, 4])], [series([0, 10, 20, 30, 40])])
    assert past.pods == ("pod-0", "pod-1")
    assert past.exposures.tolist() == [[1, 10]] * 4


@pytest.mark.parametrize(
    ("values", "added"),
    [
        ([5, 6, 2, 3, 4], [1, 2, 1, 1]),  # a restart: the new value counts in full
        ([5, None, None, 9, 9], [0, 0, 4, 0]),  # a gap: its units come with the next sample
        ([5, math.nan, 7, 8, 9], [0, 2, 1, 1]),
        ([5, 6], [1, 0, 0, 0]),  # a pod that ended
        ([], [0, 0, 0, 0]),
    ],
)
def test_resets_gaps_and_ends(values, added):
    assert exposures(series(values)) == added


def test_a_pod_s_first_samples_are_only_what_is_counted_from():
    late = series([100, 101], first=3)
    assert counts([series([0] * 5)], [late]).exposures[:, 1].tolist() == [0, 0, 0, 1]


def test_a_series_that_is_born_in_a_known_pod_counts_its_first_burst():
    burst = series([40, 41], first=3, bad=True)
    assert exposures(series([0, 0, 0, 0, 0]), burst) == [0, 0, 40, 1]


def test_nothing_is_born_while_series_are_still_turning_up():
    late = series([40, 41, 42, 43], first=1, bad=True)
    assert exposures(series([0] * 5), late, settled=1) == [0, 1, 1, 1]
    assert exposures(series([0] * 5), late) == [40, 1, 1, 1]


def test_buckets_are_not_cumulative_and_any_of_them_shows_a_reset():
    edges = (1.0, math.inf)
    rows = [(0, 0), (3, 5), (1, 6), (2, 8), (2, 8)]
    past = counts([series(rows, edges=edges)])
    assert past.edges == edges
    assert past.counts[:, 0].tolist() == [[3, 2], [1, 5], [1, 1], [0, 0]]
    assert past.exposures[:, 0].tolist() == [5, 6, 2, 0]


@pytest.mark.parametrize(
    ("group", "words"),
    [
        ([series([0.5, 1])], "not a whole number"),
        ([series([-1, 1])], "negative"),
        ([series([1, 1e20])], "no longer exact"),
        ([series([(3, 2)], edges=(1.0, math.inf))], "no cumulative count"),
        ([series([1]), series([(3, 4)], edges=(1.0, math.inf))], "bucket layouts differ"),
    ],
)
def test_what_is_no_count_is_named(group, words):
    with pytest.raises(EvidenceError, match=words):
        counts(group)


def test_large_counts_stay_exact():
    assert exposures(series([10**12, 10**12 + 1, 10**12 + 3])) == [1, 2, 0, 0]
