"""What a rollout lacks is told in words: no table has a NaN for it, and no chart breaks."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest

from rollout.decide.record.facts import HumanSaid, Observed
from rollout.experiment.experiment import Experiment
from rollout.review.history import history
from tests.support.experiments import TABLES
from tests.support.worlds import GOOD, Lab, plan

ERRORS = {"name": "errors", "template": "envoy/errors", "margin": {"absolute": "1%"}}
WORDS = {"name": "verdicts", "template": "quality/verdict", "margin": {"absolute": "5%"}}


def begin() -> Lab:
    return Lab(GOOD, plan=plan(guardrails=[ERRORS, WORDS], segments=SITES))


SITES = [{"label": "site", "values": ["a", "b"]}]


def one_look() -> Lab:
    lab = begin()
    while not any(isinstance(fact, Observed) for fact in lab.facts):
        lab.controller.tick()
        lab.clock.sleep(0.5)
    return lab


def renamed() -> Lab:
    """A series that is there no more, from the middle of the rollout on."""
    lab = begin()
    lab.run_until(lambda state: state.guardrails["verdicts"].test.canary_units > 50)
    lab.world.hidden = {"verdicts", "verdicts[site=a]", "verdicts[site=b]"}
    assert lab.run().phase == "rolled back"  # blind for too long, as the plan says
    return lab


def labels_of_one_arm() -> Lab:
    lab = begin()
    usual = lab.world._judge

    def judge(version, labels, cell):
        if version == "v1":
            usual(version, labels, cell)

    setattr(lab.world, "_judge", judge)  # noqa: B010  # a method
    lab.run(60)
    return lab


def paused_for_good() -> Lab:
    lab = begin()
    lab.run(10)
    spoken = HumanSaid(rollout=lab.rollout, at=lab.clock.now(), command="pause", actor="ada")
    lab.journal.append([spoken], lab.entries[-1].seq)
    lab.run(20)
    assert lab.state.phase == "paused"
    return lab


WORLDS: dict[str, tuple[Callable[[], Lab], str]] = {
    "one look only": (one_look, ""),
    "a metric renamed in mid-flight": (renamed, "verdicts"),
    "labels of one version only": (labels_of_one_arm, "verdicts"),
    "paused": (paused_for_good, ""),
}


@pytest.fixture(scope="module", params=WORLDS)
def wrong(request) -> tuple[Experiment, str]:
    make, blind = WORLDS[request.param]
    return Experiment(history(make().entries)), blind


@pytest.mark.parametrize("name", [*TABLES, "aa"])
def test_no_table_has_a_nan_and_every_chart_is_drawn(wrong, name):
    exp, _ = wrong
    frame = exp.aa(5) if name == "aa" else getattr(exp, name)()
    for column in frame.columns:
        assert not any(isinstance(own, float) and math.isnan(own) for own in frame[column])
    if name != "quantiles":
        assert getattr(exp.plot, name)().axes


def test_what_is_missing_is_told(wrong):
    exp, blind = wrong
    rows = {row["guardrail"]: row for row in exp.scorecard().to_dict("records")}
    if blind:
        assert rows[blind]["verdict"] in {"blind", "undecided"}
        asked = exp.health()
        own = asked[asked["question"].str.startswith(blind) & (asked["status"] != "ok")]
        assert len(own), asked.to_string()
    assert str(exp)
    assert exp._repr_html_()


def test_what_was_never_compared_is_not_enough_in_every_table_that_compares(wrong):
    exp, _ = wrong
    rows = exp.scorecard().to_dict("records")
    silent = {row["guardrail"] for row in rows if not row["canary_units"]}
    for table in (exp.uplift(), exp.sensitivity()):
        own = table[table["canary_units"] == 0]
        assert silent <= set(own["guardrail"])
        notes = own["note"].str
        assert (notes.startswith("not enough: ") | notes.startswith("blind")).all()


def test_what_is_blind_is_so_in_every_table_as_recorded(wrong):
    exp, _ = wrong
    scores, cases = exp.scorecard(), exp.sensitivity()
    blind = set(scores[scores["verdict"] == "blind"]["guardrail"])
    recorded = cases[(cases["case"] == "as recorded") & cases["note"].str.startswith("blind")]
    assert set(recorded["guardrail"]) == blind


def test_one_look_is_counted_as_one(wrong):
    exp, _ = wrong
    assert not exp.health()["answer"].str.contains(r"\b1 looks").any()
