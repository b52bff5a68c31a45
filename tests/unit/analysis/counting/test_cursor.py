"""Births, differences, resets, repeats: each sample counts once."""

import math

import pytest

from analysis.counting.counts import Counts, EvidenceError
from analysis.counting.cursor import Cursor, Series, advance
from analysis.counting.thinning import compress

INF = math.inf
EDGES = (1.0, 2.0, INF)


def counter(arm, *samples, key="code=200", bad=False):
    return Series(key, arm, tuple((float(at), (float(v),)) for at, v in samples), bad)


def histogram(arm, *samples, key="pod=a", edges=EDGES):
    taken = tuple((float(at), tuple(map(float, counts))) for at, counts in samples)
    return Series(key, arm, taken, edges=edges)


def after(*looks):
    """The cursor after all looks and the evidence of the last."""
    cursor, evidence = Cursor(), None
    for look in looks:
        cursor, evidence = advance(cursor, look)
    return cursor, evidence


BASE = [counter("stable", (10, 1000)), counter("canary", (10, 50))]


def test_the_first_answer_with_stable_is_the_baseline():
    cursor, evidence = after(BASE)
    assert evidence == Counts((0, 0), (0, 0))
    assert cursor.started


def test_nothing_is_a_baseline_before_stable_was_seen():
    cursor, evidence = after([counter("canary", (10, 50))])
    assert not cursor.started
    assert evidence == Counts()
    _, evidence = advance(cursor, [counter("canary", (12, 60)), counter("stable", (12, 1000))])
    assert evidence == Counts()


def test_a_canary_seen_before_stable_is_known_when_counting_starts():
    early = [counter("canary", (10, 50))]
    _, evidence = after(early, [counter("stable", (11, 9))], [counter("canary", (12, 60))])
    assert evidence.canary_exposures == 10


def test_no_answer_is_no_baseline():
    assert after([], [Series("code=200", "stable", ())]) == (Cursor(), Counts())


def test_a_known_series_counts_by_differences():
    _, evidence = after(BASE, [counter("stable", (12, 1100)), counter("canary", (12, 56))])
    assert evidence == Counts((6, 0), (100, 0))


def test_bad_units_are_exposures_too():
    look = [counter("canary", (12, 56)), counter("canary", (12, 4), key="code=503", bad=True)]
    _, evidence = after(BASE, look)
    assert (evidence.canary_exposures, evidence.canary_bad) == (10, 4)
    assert (evidence.stable_exposures, evidence.stable_bad) == (0, 0)


def test_a_series_born_with_its_first_burst_counts_from_zero():
    _, evidence = after(BASE, [counter("canary", (12, 40), key="code=500", bad=True)])
    assert evidence.canary == (40, 40)


@pytest.mark.parametrize(
    ("samples", "units"),
    [
        ([(12, 3)], 3),  # began again between the looks
        ([(12, 60), (13, 2), (14, 5)], 10 + 5),  # and within the look
        ([(12, 0)], 0),
        ([(12, 60), (13, 0), (14, 0), (15, 7)], 10 + 7),
        ([(12, 7), (13, 3)], 7 + 3),  # twice
    ],
)
def test_a_reset_counts_the_new_value_in_full(samples, units):
    _, evidence = after(BASE, [counter("canary", *samples)])
    assert evidence.canary_exposures == units


@pytest.mark.parametrize("samples", [[(10, 50)], [(10, 55)], [(8, 45), (10, 50)], [(9, 9999)], []])
def test_samples_that_are_not_later_change_nothing(samples):
    cursor, evidence = after(BASE, [counter("canary", *samples)])
    assert evidence == Counts()
    assert cursor == after(BASE)[0]


def test_a_series_that_vanished_goes_on_where_it_was():
    _, evidence = after(BASE, [counter("stable", (20, 1001))], [counter("canary", (30, 58))])
    assert evidence.canary_exposures == 8


def test_arms_with_the_same_key_are_two_series():
    cursor, _ = after(BASE)
    assert cursor.newest("canary") == cursor.newest("stable") == 10
    cursor, _ = advance(cursor, [counter("canary", (12, 51))])
    assert (cursor.newest("canary"), cursor.newest("stable")) == (12, 10)


def test_an_arm_never_seen_has_no_newest_sample():
    cursor, _ = after([counter("stable", (10, 1))])
    assert cursor.newest("canary") is None


def test_a_histogram_counts_per_bucket():
    base = [histogram("stable", (10, (5, 7, 8)))]
    _, evidence = after(base, [histogram("stable", (12, (6, 9, 12)))])
    assert evidence == Counts((0, 0, 0), (1, 1, 2), EDGES)
    assert evidence.stable_exposures == 4


def test_a_histogram_that_began_again_counts_in_full():
    base = [histogram("stable", (10, (5, 7, 8)))]
    _, evidence = after(base, [histogram("stable", (12, (0, 1, 4)))])
    assert evidence.stable == (0, 1, 3)


def test_a_reset_shows_in_a_bucket_that_cumulative_counts_hide():
    base = [histogram("stable", (10, (0, 3, 3)))]
    _, evidence = after(base, [histogram("stable", (12, (5, 5, 5)))])
    assert evidence.stable == (5, 0, 0)


def test_the_layout_is_remembered_while_nothing_comes():
    cursor, _ = after([histogram("stable", (10, (5, 7, 8)))])
    assert advance(cursor, []) == (cursor, Counts((0, 0, 0), (0, 0, 0), EDGES))


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (math.nan, "not a finite number"),
        (INF, "not a finite number"),
        (1.5, "not a whole number"),
        (-1, "negative"),
        (2**53 + 2, "no longer exact"),
        (1e300, "no longer exact"),
    ],
)
def test_what_is_no_count_is_refused(value, reason):
    cursor, _ = after(BASE)
    with pytest.raises(EvidenceError, match=reason):
        advance(cursor, [counter("canary", (12, value))])


def test_rounding_noise_is_no_reset_and_no_unit():
    noisy = [counter("canary", (12, 50.0000002))], [counter("canary", (13, 50))]
    _, evidence = after(BASE, *noisy)
    assert evidence == Counts()


@pytest.mark.parametrize(
    ("look", "reason"),
    [
        ([histogram("canary", (12, (5, 4, 8)))], "fall"),
        ([histogram("canary", (12, (1, 2)), edges=(1.0, INF))], "bucket layouts differ"),
        ([counter("canary", (12, 1))], "bucket layouts differ"),
        ([histogram("canary", (12, (1, 2)))], "does not fit"),
    ],
)
def test_histograms_that_cannot_be_compared_are_refused(look, reason):
    cursor, _ = after([histogram("stable", (10, (5, 7, 8)))])
    with pytest.raises(EvidenceError, match=reason):
        advance(cursor, look)


def test_arms_with_different_layouts_are_refused_at_once():
    other = histogram("canary", (10, (1, 2)), edges=(5.0, INF))
    with pytest.raises(EvidenceError, match="bucket layouts differ"):
        advance(Cursor(), [histogram("stable", (10, (5, 7, 8))), other])


def lived(key, *samples, bad=False, process="job/one"):
    return Series(key, "canary", tuple((at, (value,)) for at, value in samples), bad, (), process)


BEFORE = [
    Series("200", "stable", ((10, (50,)),), process="job/one"),
    lived("200", (10, 100)),
    lived("503", (10, 2), bad=True),
]


def test_a_restart_that_one_series_shows_holds_for_its_siblings():
    look = [lived("200", (11, 5)), lived("503", (11, 5), bad=True)]
    cursor, evidence = after(BEFORE, look)
    assert evidence.canary == (10, 5), "5 errors since the restart, not 3 more than before it"
    _, again = advance(cursor, look)
    assert not any(again.canary)


def test_a_sibling_that_is_born_again_only_later_counts_in_full():
    _, evidence = after(BEFORE, [lived("200", (11, 5))], [lived("503", (12, 7), bad=True)])
    assert evidence.canary == (7, 7), "not the 5 that it is above its old value"


def test_another_process_is_no_sibling():
    look = [lived("200", (11, 5)), lived("503", (11, 5), bad=True, process="job/two")]
    _, evidence = after(BEFORE, look)
    assert evidence.canary == (8, 3)


def test_compress_keeps_the_ends_and_a_fall_with_the_samples_by_which_it_is_judged():
    after = [(4 + n, 2 + n) for n in range(8)]
    run = counter("canary", (1, 1), (2, 5), (3, 19), *after).samples
    assert [at for at, _ in compress(run)] == [1, 3, 4, 5, 6, 7, 8, 11]
    steady = counter("canary", (1, 1), (2, 5), (3, 5), (4, 6)).samples
    assert [at for at, _ in compress(steady)] == [1, 4]


def test_evidence_adds_and_nothing_is_neutral():
    rate, shape = Counts((3, 1), (9, 2)), Counts((1, 0), (2, 3), (1.0, INF))
    assert rate + rate == Counts((6, 2), (18, 4))
    assert shape + Counts() == Counts() + shape == shape
    with pytest.raises(EvidenceError, match="layouts differ"):
        rate + shape


def test_a_histogram_has_no_bad_units():
    with pytest.raises(EvidenceError, match="only buckets"):
        _ = Counts((1, 0), (2, 3), (1.0, INF)).canary_bad
