"""Many runs in numbers."""

import pytest

from rollout.rehearse.assumptions import KnownFigures, base
from rollout.rehearse.runs import Run
from rollout.rehearse.scenario import Rate, Scenario
from rollout.rehearse.summary import summarise
from tests.support.worlds import plan

PLAN = plan()
START = base(PLAN, KnownFigures())
RUNS = [
    Run("rolled back", ("harmful:errors",), 10.0, 100),
    Run("rolled back", ("harmful:errors", "harmful:latency"), 20.0, 200),
    Run("rolled back", ("harmful:errors",), 30.0, 300),
    Run("stuck", ("inconclusive",), 100.0, 1000),
]


def test_shares_times_and_reasons():
    world = summarise(PLAN, START, Scenario("bad", errors=Rate(4.0)), RUNS)
    assert world.outcomes == {
        "promoted": 0.0,
        "rolled back": 0.75,
        "no winner": 0.0,
        "stuck": 0.25,
        "blind": 0.0,
    }
    assert world.seconds[1] == 25.0
    assert world.canary_requests == 400
    assert world.harmful == ("errors",)
    assert world.reasons == {
        "harmful:errors": 2,
        "harmful:errors, harmful:latency": 1,
        "inconclusive": 1,
    }


def test_excess_is_against_stable_at_the_same_exposures():
    world = summarise(PLAN, START, Scenario("bad", errors=Rate(4.0), latency=2.0), RUNS)
    assert world.excess_bad["errors"] == pytest.approx(400 * 0.015)
    assert world.excess_bad["accuracy"] == 0.0
    # Twice as slow: beyond stable's worst twentieth lies Phi(log 2 / .4 - 1.645) of the canary.
    assert world.excess_bad["latency"] == pytest.approx(400 * (0.535 - 0.05), rel=0.2)


def test_none_of_a_few_runs_is_not_never():
    world = summarise(PLAN, START, Scenario("same"), RUNS)
    assert 0.1 < world.errors["promoted"] < 0.25
