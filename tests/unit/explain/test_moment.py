"""Moments as readers write them, on a command line and in the address of a page."""

from datetime import datetime

import pytest

from rollout.explain.moment import parse_moment

NOW = 1_800_000_000.0


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("2026-12-01T00:00:00 01:00", "2026-12-01T00:00:00+01:00"),
        ("2026-12-01T00:00 0100", "2026-12-01T00:00+01:00"),
        ("2026-12-01 08:00 02", "2026-12-01T08:00+02:00"),
        ("2026-12-01 08:00", "2026-12-01T08:00+00:00"),
        ("2026-12-01", "2026-12-01T00:00+00:00"),
        (" 2026-12-01T08:00-05:00 ", "2026-12-01T08:00-05:00"),
    ],
)
def test_a_zone_whose_plus_an_address_has_made_a_blank_is_understood(text, same):
    assert parse_moment(text)(NOW) == datetime.fromisoformat(same).timestamp()


def test_a_duration_is_back_from_now():
    assert parse_moment("2h")(NOW) == NOW - 7200


@pytest.mark.parametrize("text", ["", "yesterday", "2026-12-01 99", "01:00", "2026-13-01 01:00"])
def test_anything_else_is_refused_with_the_cure(text):
    with pytest.raises(ValueError, match="write a time in ISO 8601, such as 2026-06-01"):
        parse_moment(text)
