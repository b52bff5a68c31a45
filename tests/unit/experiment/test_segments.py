"""The table of segments: intervals of those with enough units, and nothing of the others."""

from __future__ import annotations

import json
import math

import pytest

from analysis.family import adjust
from rollout.errors import InputError
from rollout.experiment.experiment import Experiment
from rollout.experiment.past import from_frame
from rollout.experiment.report.document import compose
from rollout.experiment.report.render import to_page
from rollout.review.history import history
from rollout.simulate import Behaviour
from tests.support.worlds import Lab, plan

ERRORS = {"name": "errors", "template": "envoy/errors", "margin": {"absolute": "1%"}}
LARGE = {"label": "site", "values": ["north", "south"], "guardrails": ["errors"]}
TINY = {
    "label": "ward",
    "values": [*map(str, range(10))],
    "guardrails": ["errors"],
    "atLeast": 100_000,
}


@pytest.fixture(scope="module")
def split():
    lab = Lab(plan=plan(segments=[LARGE, TINY]), rate=60.0)
    lab.world.apart = {("v2", "[site=south]"): Behaviour(errors=0.1)}
    assert lab.run(300).phase == "rolled back"
    return Experiment(history(lab.entries))


def test_ten_tiny_segments_have_no_numbers_and_say_why(split):
    rows = split.segments("ward").to_dict("records")
    assert len(rows) == 10
    for row in rows:
        assert row["note"] == "fewer than 100,000 requests of a version"
        for name in ("canary_units", "stable_units", "difference", "low", "harm", "better_of_all"):
            assert row[name] is None or math.isnan(row[name]) or str(row[name]) == "<NA>"


def test_each_large_segment_has_its_interval(split):
    rows = split.segments("site").to_dict("records")
    assert [row["segment"] for row in rows] == ["north", "south"]
    for row in rows:
        assert row["low"] <= row["difference"] <= row["high"]
    assert [row["verdict"] for row in rows] == ["undecided", "harmful"]
    units = split.scorecard().to_dict("records")[0]["canary_units"]
    assert sum(row["canary_units"] for row in rows) == units


def test_the_corrected_evidence_is_over_all_that_is_told_and_the_whole(split):
    """By an independent computation: e-Holm over both segments and the guardrail itself."""
    rows = split.segments().to_dict("records")[:2]
    whole = split.uplift().to_dict("records")[0]
    alone = [whole, *rows]
    logs = [row[side] * math.log(10) for side in ("better", "worse") for row in alone]
    adjusted = [log / math.log(10) for log in adjust(logs)]
    for row, more, less in zip(alone[1:], adjusted[1:3], adjusted[4:], strict=True):
        assert row["better_of_all"] == pytest.approx(more, rel=1e-9)
        assert row["worse_of_all"] == pytest.approx(less, rel=1e-9)
    assert rows[1]["conclusion"] == "worse"


def test_a_label_that_no_plan_names_is_refused(split, good):
    with pytest.raises(InputError, match="its segments are of site, ward"):
        split.segments("department")
    with pytest.raises(InputError, match="it has no segments"):
        good.segments("department")


@pytest.mark.usefixtures("undrawn")
def test_the_report_has_a_chapter_of_segments_where_there_are_any(split, good):
    chapter = "Each segment by itself"
    assert chapter in to_page(split, compose(split))
    assert chapter not in to_page(good, compose(good))


def test_the_chart_has_a_row_for_each(split):
    axes = split.plot.segments("site").axes
    assert [label.get_text().split(",")[0] for label in axes[0].get_yticklabels()] == [
        "north",
        "south",
    ]


def test_counts_from_elsewhere_can_have_segments(tmp_path):
    pandas = pytest.importorskip("pandas")
    own = plan(guardrails=[ERRORS], segments=[LARGE])
    path = tmp_path / "plan.yaml"
    path.write_text(json.dumps(own.document()), encoding="utf-8")
    rows = [
        {"at": 1e9 + 2.0 * look, "guardrail": name, "version": version, "units": 500, "bad": bad}
        for look in range(40)
        for name, of_canary in (("errors", 5), ("errors[site=north]", 2), ("errors[site=south]", 3))
        for version, bad in (("v1", 2), ("v2", of_canary))
    ]
    rows_read = from_frame(pandas.DataFrame(rows), path).segments().to_dict("records")
    assert [row["segment"] for row in rows_read] == ["north", "south"]
    assert rows_read[1]["canary_share"] == pytest.approx(3 / 500)
