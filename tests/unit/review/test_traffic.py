"""What the newest looks counted of each version."""

from __future__ import annotations

import math

import pytest

from analysis.counting.counts import Counts
from analysis.counting.cursor import Series
from rollout.decide.record.facts import Observed
from rollout.review.traffic import RecentUnits, count_recent
from tests.support.worlds import Lab


def look(at, **series):
    return Observed(rollout="r-1", at=at, series={"it": tuple(series.values())})


def line(key, *samples, arm="stable", **fields):
    return Series(
        key=key, arm=arm, samples=tuple((at, (units,)) for at, units in samples), **fields
    )


def test_rates_and_shares_are_of_the_seconds_between_the_looks():
    looks = [
        look(1.0, good=line("g", (0.0, 100.0)), bad=line("b", (0.0, 5.0), bad=True)),
        look(11.0, good=line("g", (10.0, 280.0)), bad=line("b", (10.0, 25.0), bad=True)),
    ]
    units = count_recent(looks, "it")
    assert units is not None
    assert (units.rate("stable"), units.bad_share("stable"), units.until) == (20.0, 0.1, 10.0)
    assert (units.rate("canary"), units.bad_share("canary")) == (0.0, None)


def test_a_series_that_fell_or_has_one_sample_is_left_out():
    looks = [
        look(1.0, a=line("a", (0.0, 100.0)), b=line("b", (0.0, 50.0))),
        look(11.0, a=line("a", (10.0, 20.0)), b=line("b", (10.0, 60.0)), c=line("c", (10.0, 9.0))),
    ]
    units = count_recent(looks, "it")
    assert units is not None
    assert units.counts.stable_exposures == 10


@pytest.mark.parametrize("looks", [[], [look(1.0)], [look(1.0, a=line("a", (0.0, 1.0)))]])
def test_without_two_samples_nothing_is_known(looks):
    assert count_recent(looks, "it") is None


def test_the_99th_of_a_hundred_is_bounded_by_an_edge():
    def units(*canary):
        edges = (0.1, 0.5, math.inf)
        return RecentUnits(Counts(canary, (0, 0, 0), edges), 10.0, 0.0)

    assert units(99, 1, 0).percentile("canary") == 0.1
    assert units(90, 10, 0).percentile("canary") == 0.5
    assert units(90, 0, 10).percentile("canary") == math.inf
    assert units(50, 0, 0).percentile("canary") is None
    assert units(99, 1, 0).percentile("stable") is None


def test_looks_of_a_controller_count_the_world_s_requests():
    """The simulated world sends 100 requests a second."""
    lab = Lab()
    lab.run_until(lambda state: state.split.share > 0.2)
    lab.run(14)
    looks = [fact for fact in lab.facts if isinstance(fact, Observed)][-4:]
    units = count_recent(looks, "errors")
    assert units is not None
    both = units.rate("canary") + units.rate("stable")
    assert 80 < both < 120
    latency = count_recent(looks, "latency")
    assert latency is not None
    assert latency.percentile("stable") is not None
