"""Every table has a chart of its name, which draws what there is and says what there is not."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from analysis.charts.style import DARK, LIGHT, drawn_in
from rollout.experiment.experiment import Experiment
from rollout.experiment.report import render
from rollout.experiment.report.document import compose
from rollout.experiment.svg import to_svg, to_themes
from rollout.review.history import history
from tests.support.experiments import TABLES
from tests.support.worlds import Lab, plan

CHARTS = (*(name for name in TABLES if name != "quantiles"), "safety", "aa")
"""Quantiles are drawn with the distributions."""


@pytest.mark.parametrize("chart", CHARTS)
def test_a_chart_of_any_world_is_drawn(any_experiment, chart):
    assert getattr(any_experiment.plot, chart)().axes


@pytest.mark.parametrize("chart", CHARTS)
def test_a_rollout_that_has_only_begun_breaks_no_chart(begun, chart):
    assert getattr(begun.plot, chart)().axes


@pytest.mark.parametrize("chart", ["timeline", "intervals", "scorecard", "power", "share"])
def test_a_drawing_is_the_same_again_and_its_themes_differ_in_colours_alone(bad, chart):
    draw = getattr(bad.plot, chart)
    themes = to_themes(draw)
    assert themes == to_themes(draw)
    with drawn_in(DARK):
        assert to_svg(draw()) == themes["dark"]
    assert colours_of(themes["light"]) == colours_of(to_svg(draw())) | {LIGHT.ink.encode()}
    for colour in vars(DARK).values():
        assert colour.lower().encode() not in themes["light"].lower()


def colours_of(drawing):
    return set(re.findall(rb"#[0-9a-f]{6}\b", drawing))


def test_what_is_far_beyond_its_boundary_does_not_hide_the_others():
    from analysis.charts.timeline import evidence

    steps = {"seconds": [0.0], "share": [0.5]}
    marks: dict[str, list[object]] = {"seconds": [], "action": [], "to": []}
    lines = {"errors": [0.1, 1.0], "preferred": [100.0, 480.0]}
    figure = evidence([0.0, 30.0], lines, 0.05, steps=steps, marks=marks)
    (axes,) = figure.axes
    transform = axes.transData.transform
    heights = [transform((30.0, value))[1] - transform((30.0, 0.0))[1] for value in (1.0, 480.0)]
    assert heights[0] > heights[1] / 10


@pytest.mark.usefixtures("undrawn")
def test_a_report_of_many_guardrails_has_charts_that_fit_on_a_page():
    names = [f"errors-{number}" for number in range(11)]
    guardrails = [
        {"name": name, "template": "envoy/errors", "margin": {"absolute": "1%"}} for name in names
    ]
    lab = Lab(plan=plan(guardrails=guardrails))
    lab.run(60)
    exp = Experiment(history(lab.entries))
    page = render.to_page(exp, compose(exp))
    rates = render.CHARTS["rates"].replace("'", "&#39;")
    assert [f"{rates} ({number} of 3)" in page for number in (1, 2, 3)] == [True] * 3
    only = replace(exp.plot, only=frozenset(names[:5]))
    for figure in (only.rates(), only.intervals(), only.sensitivity()):
        assert len(figure.axes) == 5
