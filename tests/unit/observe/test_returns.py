"""A lost member of a sum, an old name and another worker bring back nothing that is new."""

import pytest

from tests.support.tallied import TalliedRollout
from tests.unit.observe import test_belief as belief

APP = {"job": "app", "instance": "10.0.0.9:1"}
NEW = {"job": "app", "instance": "10.0.0.8:1"}


@pytest.fixture(params=["", "restart"])
def scrapes(request):
    """With `restart` the controller begins anew before each look."""
    lab = belief.Scrapes(lambda *words: TalliedRollout(*words, happen=lambda: request.param))
    lab.write("v1", [1000 + 100 * n for n in range(40)], **belief.TARGET)
    return lab


def count(scrapes, last=19):
    scrapes.look(3, last)
    assert not scrapes.rollout.problem
    return scrapes.rollout.total.canary


@pytest.mark.parametrize("away", [1, 3, 7])
def test_a_small_sum_that_regains_a_member_counts_what_was_served(scrapes, away):
    lost = range(8, 8 + away)
    scrapes.write("v2", [60 + 20 * n - 150 * (n in lost) for n in range(20)], zone="a")
    assert count(scrapes) == (20 * 16, 0)


def test_a_small_sum_that_loses_a_member_for_good_goes_on_less_what_it_fell_by(scrapes):
    scrapes.write("v2", [60 + 20 * n - 150 * (n >= 8) for n in range(20)], zone="a")
    units, _ = count(scrapes)
    assert units == 20 * 16 - 20  # the gap of the fall
    assert any("one of its members is lost" in words for words in scrapes.rollout.unbelieved)


def test_what_a_sum_owes_is_not_taken_off_the_errors_that_follow(scrapes):
    scrapes.write("v2", [500 + 20 * n for n in range(20)], zone="a")
    failures = [60] * 8 + [30] + [30 + 12 * n for n in range(1, 12)]
    scrapes.write("v2", failures, code="503", zone="a")
    assert count(scrapes)[1] == 12 * 11


def write_moves(scrapes, names, start=100):
    """Write a counter under one name after the other, ten units a scrape."""
    for instance in dict.fromkeys(names):
        values = [start + 10 * n if name == instance else None for n, name in enumerate(names)]
        scrapes.write("v2", values, job="app", instance=instance)


def test_an_old_name_brings_back_nothing(scrapes):
    write_moves(scrapes, ["a:1"] * 8 + ["b:1"] * 5 + ["a:1"] * 4 + ["b:1"] * 3)
    assert count(scrapes) == (10 * (4 + 4 + 3 + 2), 0)


def test_a_target_that_missed_scrapes_beside_another_counts_in_full(scrapes):
    scrapes.write("v2", [None if 8 <= n < 12 else 100 + 10 * n for n in range(20)], **APP)
    scrapes.write("v2", [50 + 10 * n for n in range(20)], **NEW)
    assert count(scrapes) == (2 * 10 * 16, 0)


def test_after_an_outage_every_target_counts_in_full(scrapes):
    for name, start in (("a:1", 100), ("b:1", 130), ("c:1", 160)):
        values = [None if 8 <= n < 12 else start + 10 * n for n in range(20)]
        scrapes.write("v2", values, job="app", instance=name)
    assert count(scrapes) == (3 * 10 * 16, 0)


def test_workers_that_answered_in_rising_order_are_no_restart(scrapes):
    rising = [1000, 2000, 3000, 4000]
    scrapes.write("v2", [*rising, 1010, 2010, 1020, 4010, 3010, 1030], **APP)
    scrapes.look(3, 9)
    assert "several processes" in scrapes.rollout.problem
    assert scrapes.rollout.total.canary_exposures == 0


MISSED = range(9, 15)


def write_restart(scrapes, last, seconds, showing):
    """Write a process that begins anew so many seconds after scrape 8, and was up before.

    The scrapes that are `MISSED` have nothing of it, and its uptime stands in those `showing`.
    """
    began = (8 + seconds / 15, last)
    old = [500 + 10 * n for n in range(began[1])]
    new = [max(0, 10 * (n - began[1] + 1)) for n in range(began[1], 20)]
    values = [None if n in MISSED else value for n, value in enumerate([*old, *new])]
    scrapes.write("v2", values, **APP)
    for n in showing:
        up = 15 * (n - began[0]) if n >= began[1] else 6000 + 15 * n
        scrapes.meta("envoy_server_uptime", [int(up)], first=n, **APP)


@pytest.mark.parametrize("first_shown", [0, 15])
def test_a_start_right_before_a_scrape_counts_once_though_the_next_are_missed(scrapes, first_shown):
    showing = [n for n in range(first_shown, 20) if n not in MISSED]
    write_restart(scrapes, 8, -1, showing)
    assert count(scrapes) == (10 * 16, 0)


def test_a_start_right_after_a_scrape_counts_at_once_though_the_next_are_missed(scrapes):
    write_restart(scrapes, 9, 1, [n for n in range(20) if n not in MISSED])
    assert count(scrapes, 15) == (10 * 5 + 70, 0)


def test_a_first_failure_while_the_target_missed_scrapes_counts_in_full(scrapes):
    scrapes.write("v2", [None if n in MISSED else 10 + 2 * n for n in range(20)], **APP)
    scrapes.write("v2", [30, 32, 34, 36, 38], code="503", first=15, **APP)
    scrapes.look(3, 8)
    scrapes.look(15, 19)
    assert scrapes.rollout.total.canary == (2 * 16 + 38, 38)
