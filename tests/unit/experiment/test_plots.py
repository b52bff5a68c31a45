"""Every table has a chart of its name, which draws what there is and says what there is not."""

from __future__ import annotations

import pytest

from analysis.charts.style import DARK, drawn_in
from rollout.errors import InputError
from rollout.experiment.plots import to_svg
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


def test_a_drawing_is_the_same_again_and_has_a_dark_variant(bad):
    light = to_svg(bad.plot.timeline())
    with drawn_in(DARK):
        dark = to_svg(bad.plot.timeline())
    assert light == to_svg(bad.plot.timeline())
    assert DARK.back.lower().encode() in dark.lower()
    assert DARK.back.lower().encode() not in light.lower()
