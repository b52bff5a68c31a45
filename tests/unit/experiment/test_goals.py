"""The table of goals has the controller's own numbers."""

from __future__ import annotations

import pytest

from rollout.experiment.experiment import Experiment
from rollout.experiment.report.document import compose
from rollout.experiment.report.render import to_page
from rollout.review.history import history
from rollout.simulate import Behaviour
from tests.support.worlds import Lab, plan

GOALS = [{"guardrail": "errors"}, {"guardrail": "accuracy", "edge": 0.5}]


@pytest.fixture(scope="module")
def lab():
    trial = {"end": {"looks": 60}, "winner": "promote"}
    steps = {"steps": ["5%", "50%"], "bake": "8s"}
    own = plan(goals=GOALS, experiment=trial, ramp=steps, deadline="1h")
    lab = Lab(plan=own, canary=Behaviour(errors=0.0))
    lab.world.behaviours = {"v1": Behaviour(errors=0.03), "v2": Behaviour(errors=0.0)}
    assert lab.run(900).phase == "promoted"
    return lab


@pytest.fixture(scope="module")
def won(lab):
    return Experiment(history(lab.entries))


def test_it_has_the_numbers_of_the_last_decision(lab, won):
    decided = lab.decisions[-1].numbers["goals"]
    for row in won.goals().to_dict("records"):
        numbers = decided[row["goal"]]
        assert row["conclusion"] == numbers["conclusion"]
        for name in ("difference", "low", "high", "better", "worse", "better_of_all"):
            assert row[name] == pytest.approx(numbers[name], rel=1e-5)


def test_the_relative_change_lies_in_its_bounds(won):
    for row in won.goals().to_dict("records"):
        assert row["change_low"] <= row["change"] <= row["change_high"]
        assert row["low"] <= row["difference"] <= row["high"]


def test_a_plan_without_goals_has_none(good):
    assert len(good.goals()) == 0
    assert compose(good).tables["goals"] == []


@pytest.mark.usefixtures("undrawn")
def test_the_report_has_a_chapter_of_goals_where_there_are_any(won, good):
    assert "declares as goals" in to_page(won, compose(won))
    assert "declares as goals" not in to_page(good, compose(good))


@pytest.mark.usefixtures("undrawn")
def test_the_report_writes_differences_in_points_and_relative_changes_in_per_cent(won):
    """Both stand in one row: two numbers in per cent would be mixed up."""
    page = to_page(won, compose(won))
    for row in won.goals().to_dict("records"):
        assert f"<td>{row['difference'] * 100:+.3g}\u00a0pp</td>" in page
        assert f"<td>{row['change'] * 100:.3g}\u00a0%</td>" in page
