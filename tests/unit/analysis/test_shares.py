"""Sample ratio mismatch."""

import pytest

from analysis import shares


def test_no_traffic_changes_nothing():
    assert shares.look(shares.start(), 0, 0, 0.05) == shares.start()


def test_a_share_within_the_tolerance_is_no_mismatch_however_long():
    capital = shares.look(shares.start(), 52_000_000, 948_000_000, 0.05)
    assert not shares.mismatched(capital)


@pytest.mark.parametrize("canary", [0, 200])
def test_a_wrong_share_is_a_mismatch(canary):
    assert shares.mismatched(shares.look(shares.start(), canary, 2000 - canary, 0.05))


def test_traffic_to_a_canary_without_weight_is_a_mismatch():
    assert shares.mismatched(shares.look(shares.start(), 10, 1000, 0.0))


def test_a_switch_of_all_traffic_forgives_stragglers_and_sees_what_stays_behind():
    assert not shares.mismatched(shares.look(shares.start(), 10_000, 90, 1.0))
    assert not shares.mismatched(shares.look(shares.start(), 10_000_000, 0, 1.0))
    assert shares.mismatched(shares.look(shares.start(), 1_000, 50, 1.0))


def test_a_few_requests_prove_nothing():
    assert not shares.mismatched(shares.look(shares.start(), 1, 3, 0.05))
