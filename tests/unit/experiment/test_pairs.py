"""The table of pairs, its chart and the report's chapter, also where nothing can be told."""

from __future__ import annotations

import math
from typing import Any

import pytest

from rollout.experiment.experiment import Experiment
from rollout.experiment.report.document import compose
from rollout.experiment.report.render import to_page
from rollout.review.history import history
from rollout.simulate import Behaviour
from tests.support.experiments import TABLES
from tests.support.worlds import Lab, plan

ERRORS = {"name": "errors", "template": "envoy/errors", "margin": {"absolute": "2%"}}
PAIRS = {
    "name": "preferred",
    "pairs": {"series": "summary_pairs_total"},
    "margin": {"absolute": "10%"},
}
WORLDS: dict[str, dict[str, Any]] = {
    "usual": {"first_wins": 0.7, "canary_first": 0.8},
    "only ties": {"ties": 1.0},
    "one order": {"canary_first": 1.0, "first_wins": 0.9},
    "no pair": {"labelled": 0.0},
}


@pytest.fixture(scope="module", params=WORLDS)
def world(request):
    goals = [{"guardrail": "preferred"}]
    own = plan(guardrails=[ERRORS, PAIRS], goals=goals, deadline="2m")
    lab = Lab(Behaviour(wins=0.6), plan=own, rate=20.0)
    for name, value in WORLDS[request.param].items():
        setattr(lab.world, name, value)
    lab.run()
    return request.param, lab, Experiment(history(lab.entries))


def list_numbers(value):
    """Every number of a table's rows."""
    return [
        cell for row in value.to_dict("records") for cell in row.values() if type(cell) is float
    ]


@pytest.mark.usefixtures("undrawn")
def test_every_table_and_chart_stands_and_has_no_nan(world):
    _, _, exp = world
    for name in TABLES:
        table = getattr(exp, name)()
        assert not [cell for cell in list_numbers(table) if math.isnan(cell)], name
    for name in ("pairs", "goals", "scorecard", "rates", "intervals", "health", "uplift"):
        getattr(exp.plot, name)()
    assert len(exp.pairs()) == 3
    assert "what is read first does not count" in to_page(exp, compose(exp))


def test_both_orders_have_the_controllers_numbers(world):
    name, lab, exp = world
    both, canary, stable = exp.pairs().to_dict("records")
    numbers = lab.decisions[-1].numbers["guardrails"]["preferred"]
    assert both["won"] + both["lost"] <= both["pairs"]
    assert both["pairs"] == canary["pairs"] + stable["pairs"]
    assert both["won"] == canary["won"] + stable["won"]
    if name != "usual":
        assert both["note"]
        return
    assert both["lost"] == numbers["canary_bad"]
    assert both["share"] == pytest.approx(0.5 - numbers["estimate"], rel=1e-5)
    assert both["low"] <= both["share"] <= both["high"]
    assert both["first_low"] <= 0.7 <= both["first_high"]
    assert both["tied"] > 0
    row = next(row for row in exp.scorecard().to_dict("records") if row["guardrail"] == "preferred")
    assert row["difference"] != pytest.approx(row["canary_share"] - row["stable_share"])
    assert "see `pairs`" in row["note"]
    goal = exp.goals().to_dict("records")[0]
    assert goal["canary_units"] == both["won"] + both["lost"]


@pytest.mark.usefixtures("undrawn")
def test_a_plan_without_pairs_has_none(good):
    assert len(good.pairs()) == 0
    assert "read first" not in to_page(good, compose(good))


def test_a_preference_for_a_place_makes_no_version_worse_than_itself():
    """In an A/A test of pairs it is by lot who is which version, and places win as they did."""
    own = plan(guardrails=[ERRORS, PAIRS], deadline="1m")
    lab = Lab(plan=own, rate=20.0)
    lab.world.first_wins, lab.world.canary_first = 0.9, 0.7
    lab.run()
    exp = Experiment(history(lab.entries))
    row = exp.aa(40).to_dict("records")[0]
    assert row["rolled_back"] <= 2
    assert "preferred" not in {
        *exp.sensitivity().query("case == 'all looks added up'")["guardrail"]
    }


def test_its_power_is_told_by_now_and_by_the_deadline(world):
    name, _, exp = world
    rows = exp.power().query("guardrail == 'preferred'").to_dict("records")
    if name != "usual":
        assert [row["words"] for row in rows] == ["not enough: no look has compared both versions"]
        return
    by_now, by_deadline = rows
    assert 0.6 < by_deadline["least_share"] < by_now["least_share"] < 1
    assert by_now["least_times"] == pytest.approx(2 * by_now["least_share"])
    assert by_now["canary_units"] == exp.pairs()["won"][0] + exp.pairs()["lost"][0]
    assert by_now["twin_units"] == by_deadline["twin_units"] > 0
    assert "decided pairs" in by_now["words"]
