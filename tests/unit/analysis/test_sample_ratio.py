"""Sample ratio mismatch."""

import pytest

from analysis import sample_ratio

NOTHING = sample_ratio.start()


def test_no_traffic_changes_nothing():
    assert sample_ratio.update(NOTHING, 0, 0, 0.05) == sample_ratio.start()


def test_a_share_within_the_tolerance_is_no_mismatch_however_long():
    capital = sample_ratio.update(NOTHING, 52_000_000, 948_000_000, 0.05)
    assert not sample_ratio.mismatched(capital)


@pytest.mark.parametrize("canary", [0, 200])
def test_a_wrong_share_is_a_mismatch(canary):
    assert sample_ratio.mismatched(sample_ratio.update(NOTHING, canary, 2000 - canary, 0.05))


def test_traffic_to_a_canary_without_weight_is_a_mismatch():
    assert sample_ratio.mismatched(sample_ratio.update(NOTHING, 10, 1000, 0.0))


def test_a_switch_of_all_traffic_forgives_stragglers_and_sees_what_stays_behind():
    assert not sample_ratio.mismatched(sample_ratio.update(NOTHING, 10_000, 90, 1.0))
    assert not sample_ratio.mismatched(sample_ratio.update(NOTHING, 10_000_000, 0, 1.0))
    assert sample_ratio.mismatched(sample_ratio.update(NOTHING, 1_000, 50, 1.0))


@pytest.mark.parametrize(
    "before",
    [[(50, 950)] * 2000, [(200, 800)] * 20, [(0, 1000)] * 20],
    ids=["right for long", "too high", "too low"],
)
@pytest.mark.parametrize("after", [(100, 900), (20, 980)], ids=["then too high", "then too low"])
def test_a_share_that_becomes_wrong_or_wrong_in_another_way_is_told_at_once(before, after):
    capital = NOTHING
    for canary, stable in before:
        capital = sample_ratio.update(capital, canary, stable, 0.05)
    for _ in range(5):
        capital = sample_ratio.update(capital, after[0], after[1], 0.05)
    assert sample_ratio.mismatched(capital)


def test_without_late_starts_it_is_told_as_journals_of_before_tell_it():
    capital = sample_ratio.start(is_late=False)
    for canary, stable in [(50, 950)] * 2000 + [(100, 900)] * 5:
        capital = sample_ratio.update(capital, canary, stable, 0.05)
    assert len(capital) == sample_ratio.SHIFTS.size
    assert not sample_ratio.mismatched(capital)


def test_a_few_requests_prove_nothing():
    assert not sample_ratio.mismatched(sample_ratio.update(NOTHING, 1, 3, 0.05))
