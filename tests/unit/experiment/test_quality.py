"""A judge beside people: combined where a joint counter exists, and apart where none does."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

import rollout
from rollout.experiment.experiment import Experiment
from rollout.experiment.report.document import compose
from rollout.experiment.report.render import to_page
from rollout.review.history import history
from rollout.simulate import Behaviour
from tests.support.experiments import TABLES
from tests.support.worlds import Lab, plan

GOLDEN = Path(__file__).parents[2] / "golden"
ERRORS = {"name": "errors", "template": "envoy/errors", "margin": {"absolute": "2%"}}
JUDGED = {
    "name": "judged",
    "counter": {"series": "verdicts_total", "bad": {"verdict": "fail"}, "reporter": "judge"},
    "labels": {"version": "version"},
    "margin": {"absolute": "5%"},
}
JOINT = {"of": "judged", "series": "summary_label_pairs_total", "judge": "judge"}


def people_lab(human=JOINT, *, stable_only=False, **world: Any):
    own = {"name": "people", "human": human, "labels": {"version": "version"}}
    lab = Lab(plan=plan(guardrails=[ERRORS, JUDGED, own], deadline="5m"))
    lab.world.behaviours = dict.fromkeys(["v1", "v2"], Behaviour(fails=0.1))
    for name, value in world.items():
        setattr(lab.world, name, value)
    if stable_only:
        world_of_lab: Any = lab.world
        ask = world_of_lab._ask_people
        world_of_lab._ask_people = lambda of, *counts: of == "v1" and ask(of, *counts)
    lab.run(400)
    return lab


@pytest.fixture(scope="module", params=["joint", "marginal", "no label", "labels of one version"])
def world(request):
    alone = {key: text for key, text in JOINT.items() if key != "judge"}
    lab = people_lab(
        alone if request.param == "marginal" else JOINT,
        people=0.0 if request.param == "no label" else 0.2,
        stable_only=request.param == "labels of one version",
    )
    return request.param, lab, Experiment(history(lab.entries))


def test_nothing_is_held_up_by_people(world):
    _, lab, _ = world
    assert lab.state.phase == "promoted"


@pytest.mark.usefixtures("undrawn")
def test_every_table_and_chart_stands_and_has_no_nan(world):
    _, _, exp = world
    for name in TABLES:
        rows = getattr(exp, name)().to_dict("records")
        numbers = [cell for row in rows for cell in row.values() if type(cell) is float]
        assert not any(map(math.isnan, numbers)), name
    for name in ("quality", "rates", "scorecard", "health", "share"):
        getattr(exp.plot, name)()
    assert "What a judge and people call bad" in to_page(exp, compose(exp))


def test_both_are_combined_where_a_joint_counter_exists(world):
    name, _, exp = world
    stable, canary, difference = exp.quality().to_dict("records")
    assert [row["version"] for row in (stable, canary)] == ["stable", "canary"]
    if name == "joint":
        for row in (stable, canary, difference):
            assert row["combined"] == "prediction-powered"
            assert row["low"] <= row["share"] <= row["high"]
        assert stable["agreement"] == pytest.approx(0.9, abs=0.03)
        assert 0 < stable["kappa"] < stable["agreement"]
        assert canary["coverage"] == pytest.approx(0.2, abs=0.06)
        assert canary["high"] - canary["low"] < 2 * 1.96 * math.sqrt(0.25 / canary["labelled"])
        return
    assert difference["combined"] == "not combinable"
    assert difference["note"]
    if name == "marginal":
        assert "alone do not show what judge and people said" in canary["note"]
        assert canary["human_share"] > 0
        assert canary["judge_share"] > 0
    if name == "labels of one version":
        assert stable["combined"] == "prediction-powered"
        assert canary["note"] == "no label of a person was counted"


@pytest.fixture(scope="module")
def rejudged():
    """A recording in which another version of the judge scores from the middle on."""
    return rollout.read(GOLDEN / "15-judged.jsonl")["svc-v2"]


def test_labels_are_compared_with_scores_of_the_same_judge(rejudged):
    """Labels of answers that another version scored have nothing to be combined with."""
    state, rates = rejudged.record.state, rejudged.rates()
    since = state.guardrails["quality"].judged_anew.at - state.started_at
    labels = rates[rates["guardrail"] == "people"]
    for row in rejudged.quality().to_dict("records")[:2]:
        own = labels[labels["version"] == row["version"]]
        assert row["labelled"] == own[own["seconds"] > since]["units"].sum() < own["units"].sum()
        assert abs(row["share"] - row["human_share"]) < 2 * (row["high"] - row["low"])


def test_tables_that_add_up_looks_have_the_units_of_the_newest_judge(rejudged):
    scores = rejudged.scorecard().set_index("guardrail")
    for frame in (
        rejudged.sensitivity().query("case == 'as recorded'"),
        rejudged.uplift(),
        rejudged.power().query("by == 'now'"),
    ):
        own = frame.set_index("guardrail")["canary_units"]
        assert own["quality"] == scores["canary_units"]["quality"]
    rates = rejudged.rates().query("guardrail == 'quality' and is_compared")
    units = rates.groupby("version")["units"].sum()
    assert units["canary"] == scores["canary_units"]["quality"]


@pytest.mark.parametrize("of", ["latency", "nothing"])
def test_what_is_not_a_judges_guardrail_is_refused(of):
    own = {"name": "people", "human": JOINT | {"of": of}, "labels": {"version": "version"}}
    latency = {"name": "latency", "template": "envoy/latency", "tolerance": "25%"}
    with pytest.raises(ValidationError, match="no guardrail that counts what a judge calls bad"):
        plan(guardrails=[ERRORS, latency, own])
