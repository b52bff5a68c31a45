"""Plans that were edited while they ran: each rollout's tables are of its own plan alone.

An edit is another rollout of the same name. The first one is taken back in mid-flight, the edited
one runs to its end, is undone, and tried again; all of it is in one journal.
"""

from __future__ import annotations

import copy
import json
import math
from collections.abc import Callable
from typing import Any

import pytest

from rollout.errors import InputError
from rollout.experiment.experiment import Experiment
from rollout.experiment.read import Experiments
from rollout.experiment.report.document import compose
from rollout.experiment.report.render import to_page
from rollout.journal.index import by_rollout
from rollout.simulate import Behaviour
from tests.support.experiments import TABLES
from tests.support.following import tick
from tests.support.trials import ALL, say
from tests.support.undrawn import leave_charts_out
from tests.support.worlds import Lab, document_of, plan

BETTER = Behaviour(errors=0.001, wins=0.62)
TRIAL: dict[str, Any] = {
    **ALL,
    "experiment": {
        "end": {"looks": 60},
        "winner": "promote",
        "allocation": {"floor": "20%", "cap": "80%", "every": 5},
    },
    "whenInconclusive": "rollback",
    "deadline": "9m",
}
Spec = dict[str, Any]

pytestmark = pytest.mark.xdist_group("edited")  # the rollouts are run once


def widen(spec: Spec) -> None:
    spec["guardrails"][0]["margin"] = {"absolute": "3%"}


def add(spec: Spec) -> None:
    spec["guardrails"].append({"name": "latency", "template": "envoy/latency", "tolerance": "25%"})


def remove(spec: Spec) -> None:
    spec["guardrails"] = spec["guardrails"][:2]
    spec["segments"][0]["guardrails"] = ["errors"]


def split(spec: Spec) -> None:
    spec["segments"][0]["values"] = ["a", "b", "c", "d"]


def rename(spec: Spec) -> None:
    spec["guardrails"][0]["name"] = "failures"
    spec["segments"][0]["guardrails"] = ["failures", "judged"]
    spec["goals"][0]["guardrail"] = "failures"


EDITS: dict[str, tuple[Callable[[Spec], None], str]] = {
    "a margin": (widen, "guardrails.errors.margin"),
    "a guardrail more": (add, "guardrails.latency"),
    "a guardrail less": (remove, "guardrails.judged"),
    "a segment more": (split, "spec.segments"),
    "a goal renamed": (rename, "guardrails.failures"),
}


@pytest.fixture(scope="module", params=EDITS)
def edited(request) -> tuple[Experiments, str]:
    """The journal of a rollout, of its edited plan, and of that plan once more."""
    edit, field = EDITS[request.param]
    lab = Lab(BETTER, plan=plan(**TRIAL), rate=60.0)
    lab.run(60)
    say(lab, "abort")
    lab.run(30)
    spec = copy.deepcopy(TRIAL)
    edit(spec)
    lab.plan = plan(**spec)
    lab.rollout = lab.plan.id
    lab.restart()
    lab.run(540)
    assert "reallocate" in lab.actions
    say(lab, "undo")
    tick(lab, 20)
    assert lab.actions[-1] == "undo"
    say(lab, "retry")
    tick(lab, 2)
    lab.rollout = [*lab.controller.states][-1]
    lab.run(60)
    return Experiments(by_rollout(lab.entries)), field


def list_rollouts(experiments: Experiments) -> list[Experiment]:
    every = experiments.named("demo")
    assert len(every) == 3
    return every


@pytest.mark.parametrize("table", TABLES)
def test_no_table_has_a_nan_and_no_chart_breaks(edited, table):
    for exp in list_rollouts(edited[0]):
        frame = getattr(exp, table)()
        for column in frame.columns:
            for cell in frame[column]:
                assert not (isinstance(cell, float) and math.isnan(cell)), (table, column)
        if table != "quantiles":
            assert getattr(exp.plot, table)().axes


def test_each_rollout_has_the_rows_of_its_own_plan(edited):
    for exp in list_rollouts(edited[0]):
        names = [guardrail["name"] for guardrail in exp.plan["spec"]["guardrails"]]
        assert list(exp.scorecard()["guardrail"]) == names
        assert set(exp.goals()["goal"]) == {g["guardrail"] for g in exp.plan["spec"]["goals"]}
        assert (exp.replay()["differs"] == "").all()


def test_a_card_says_what_was_edited_and_what_is_the_same_plan(edited):
    experiments, field = edited
    first, second, again = list_rollouts(experiments)
    (was, retried) = [line for line in repr(second).splitlines() if "not in these numbers" in line]
    assert first.record.rollout in was
    assert field in was
    assert "another plan" in was
    assert f"{again.record.rollout}, of the same name (the same plan)" in retried
    assert "not in these numbers" in second._repr_html_()


def test_every_report_says_it_too_and_is_drawn(edited, monkeypatch):
    leave_charts_out(monkeypatch)
    experiments, field = edited
    for exp in list_rollouts(experiments):
        document = compose(exp)
        json.dumps(document.as_json(), allow_nan=False)
        assert field in to_page(exp, document)


def test_either_plan_is_asked_of_the_other_s_record(edited):
    experiments, field = edited
    first, second, _ = list_rollouts(experiments)
    for exp, other in ((first, second), (second, first)):
        frame = exp.what_if(plan=other.plan)
        assert frame["conclusion"].iloc[0] == "harm is shown"
        assert exp.plot.what_if(plan=other.plan).axes
    notes = " ".join(first.what_if(plan=second.plan)["note"])
    lacking = {"guardrails.latency": "latency", "spec.segments": "errors[site=d]"}
    lacking["guardrails.failures"] = "failures (it counts the same as errors)"
    if field in lacking:
        assert f"the record has no counts of {lacking[field]}" in notes
    else:
        assert "no counts" not in notes


def test_when_a_goal_was_concluded_is_told_for_either_plan(edited):
    experiments, _ = edited
    _, second, _ = list_rollouts(experiments)
    frame = second.what_if().set_index("conclusion")
    won = frame.loc[[f"{goal} is better" for goal in second.goals()["goal"].unique()], "seconds"]
    assert won.notna().any(), "it was promoted as the winner"
    other = second.what_if(plan=document_of(**{**ALL, "goals": None}))
    assert set(other["note"][2:]) == {"no goal of the other plan"}


@pytest.mark.parametrize(
    ("change", "refusal"),
    [
        ({"canary": {"version": "v9"}}, "the record is of summarizer from v1 to v2, and this"),
        ({"service": "billing"}, "this plan is of billing from v1 to v2"),
        (
            {
                "guardrails": [
                    {"name": "errors", "template": "istio/errors", "margin": {"absolute": "2%"}}
                ],
                "goals": None,
                "segments": None,
            },
            "'errors' reads another metric",
        ),
    ],
)
def test_a_plan_of_something_else_is_refused(edited, change, refusal):
    first, *_ = list_rollouts(edited[0])
    document = document_of(**{**ALL, **change})
    with pytest.raises(InputError, match=refusal):
        first.what_if(plan=document)
