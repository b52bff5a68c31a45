"""10^12 requests and more in one look, through the whole production tick: it ends as it should.

A warning anywhere is a failed test.
"""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from rollout.calibrate.draw import recorded
from rollout.calibrate.runs import calibrate
from rollout.rehearse.assumptions import KnownFigures, base
from rollout.rehearse.runs import rehearse_once
from rollout.rehearse.scenario import Rate, Scenario
from tests.support.pods import past_of, pods_plan
from tests.support.worlds import BAD, GOOD, Behaviour, Lab, plan

LOOK = 2.0  # seconds of the plan's interval
DEAD = Behaviour(errors=1.0)


@pytest.mark.parametrize("requests", [10**12, 10**14])
@pytest.mark.parametrize(
    ("canary", "end"), [(GOOD, "promoted"), (BAD, "rolled back"), (DEAD, "rolled back")]
)
def test_a_rollout_ends_as_it_should(canary, end, requests):
    lab = Lab(canary, rate=requests / LOOK)
    assert lab.run().phase == end
    assert lab.world.served["v1"] > requests
    for decided in lab.decisions:
        assert math.isfinite(decided.numbers["joint"])
        assert "nan" not in decided.sentence


def test_a_rehearsal_does_too():
    start = base(plan(), KnownFigures(rate=10**12 / LOOK))
    assert rehearse_once(plan(), start, Scenario("same"), (1, 0)).outcome == "promoted"
    worse = rehearse_once(plan(), start, Scenario("worse", errors=Rate(4.0)), (1, 0))
    assert worse.outcome == "rolled back"


def test_a_replay_of_such_a_past_rolls_nothing_back():
    past = {
        name: replace(series, counts=series.counts * (10**12 // 50))
        for name, series in past_of(pods=5, ticks=600).items()
    }
    outcome = calibrate(recorded(pods_plan(), past), 2, seed=1)
    assert (outcome.runs, outcome.rolled_back) == (2, 0)
