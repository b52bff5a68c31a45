"""Every table has a chart of its name, which draws what there is and says what there is not."""

from __future__ import annotations

import re

import pytest

from analysis.charts.style import DARK, LIGHT, drawn_in
from rollout.errors import InputError
from rollout.experiment.svg import to_svg, to_themes
from tests.support.experiments import TABLES

CHARTS = (*(name for name in TABLES if name != "quantiles"), "safety", "aa")
"""Quantiles are drawn with the distributions."""


@pytest.mark.parametrize("chart", CHARTS)
def test_a_chart_of_any_world_is_drawn(any_experiment, chart):
    if chart == "aa" and not any(units.is_compared for units in any_experiment.record.units):
        with pytest.raises(InputError, match="at least one run and one look"):
            any_experiment.plot.aa()
        return
    assert getattr(any_experiment.plot, chart)().axes


@pytest.mark.parametrize("chart", [name for name in CHARTS if name != "aa"])
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
