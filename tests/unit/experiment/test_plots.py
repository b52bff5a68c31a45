"""Every table has a chart of its name, which draws what there is and says what there is not."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

import rollout
from analysis.charts.style import DARK, LIGHT, drawn_in
from rollout.experiment.experiment import Experiment
from rollout.experiment.report import render
from rollout.experiment.report.document import compose
from rollout.experiment.svg import to_svg, to_themes
from rollout.review.history import history
from tests.support.experiments import TABLES
from tests.support.worlds import Lab, plan

EXPERIMENT = Path(__file__).parents[3] / "notebooks" / "data" / "experiment.jsonl"
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


def texts_of(figure):
    """All that a chart says: titles, axes, rows, legend, and what stands in place of a drawing."""
    panels = [
        (own.get_title(loc="left"), own.get_xlabel(), *(text.get_text() for text in own.texts))
        for own in figure.axes
    ]
    rows = [label.get_text() for own in figure.axes for label in own.get_yticklabels()]
    legend = [text.get_text() for own in figure.legends for text in own.get_texts()]
    return "\n".join([*(text for panel in panels for text in panel), *rows, *legend])


WITHOUT = {
    "intervals": "nothing was compared",
    "rates": "nothing was counted",
    "distributions": "nothing was compared",  # its guardrails do count values in buckets
    "scorecard": "nothing was compared",
    "uplift": "not enough",
    "goals": "the plan has no goals",
    "pairs": "no guardrail of the plan compares pairs of answers",
    "quality": "no guardrail of the plan has labels of people",
    "segments": "the plan splits by no label",
}


@pytest.mark.parametrize("chart", WITHOUT)
def test_a_chart_of_nothing_says_why_there_is_nothing(labs, chart):
    silent = Experiment(history(labs["a canary that never answers"].entries))
    assert WITHOUT[chart] in texts_of(getattr(silent.plot, chart)())


LEVELS = "at all looks at once (99 % from below, 95 % from above)"


@pytest.mark.parametrize(
    ("chart", "level"),
    [
        *((name, LEVELS) for name in ("intervals", "scorecard", "sensitivity")),
        ("uplift", "err with 0.05"),
        ("rates", "each look's own 95 % interval"),
        ("aa", "95 % upper bound"),
    ],
)
def test_a_chart_with_intervals_tells_their_level_and_the_units(good, chart, level):
    words = texts_of(getattr(good.plot, chart)())
    assert level in words
    row = good.scorecard().iloc[0]
    counted = row.canary_units if chart != "rates" else good.rates().query(
        "guardrail == 'errors' and version == 'canary'"
    ).units.sum()  # fmt: skip
    assert chart == "aa" or f"{counted:,}" in words


def list_texts(figure):
    for own in (panel for panel in figure.axes if panel.axison):
        yield from (own.title, own._left_title, own.xaxis.label, own.yaxis.label)
        yield from own.get_yticklabels()
    for legend in figure.legends:
        yield from legend.get_texts()


@pytest.mark.parametrize("chart", CHARTS)
def test_nothing_that_a_chart_says_is_cut_off_at_its_edge(experiment_with_goals, chart):
    figure = getattr(experiment_with_goals.plot, chart)()
    to_svg(figure)
    figure.draw_without_rendering()
    texts = [own for own in list_texts(figure) if own.get_text()]
    cut = {
        own.get_text(): (extent.x0, extent.x1)
        for own in texts
        if not -1 <= (extent := own.get_window_extent()).x0 <= extent.x1 <= figure.bbox.width + 1
    }
    assert cut == {}


@pytest.fixture(scope="module")
def experiment_with_goals():
    """The recorded experiment of the notebooks: goals, segments, three guardrails."""
    (own,) = rollout.read(EXPERIMENT).values()
    return own


def test_the_time_of_one_look_is_told_in_plain_numbers(begun):
    """An axis of a billionth of a second was labelled 0.2 to 1.0, and 1e-9 beside it."""
    for chart in ("timeline", "rates", "share"):
        assert getattr(begun.plot, chart)().axes[-1].get_xlim() == (0, 1)


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


def test_a_notebook_shows_a_chart_as_a_picture_without_a_word_of_matplotlib(bad):
    """IPython asks for this method; matplotlib's own figures are text until pyplot is loaded."""
    assert bad.plot.scorecard()._repr_png_().startswith(b"\x89PNG")


def find_contrast(colour, back):
    """The contrast ratio of two colours, as the web's guidelines on accessibility define it."""
    bright, dim = sorted((find_luminance(colour), find_luminance(back)), reverse=True)
    return (bright + 0.05) / (dim + 0.05)


def find_luminance(colour):
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return sum(weight * own for weight, own in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


@pytest.mark.parametrize("colours", [LIGHT, DARK])
def test_intervals_are_seen_in_both_themes(colours):
    """Three to one is what the guidelines ask of graphics, five nearly what they ask of text."""
    assert find_contrast(colours.interval, colours.back) >= 3
    assert find_contrast(colours.interval, colours.ink) >= 3
    for colour in (colours.ink, colours.quiet, colours.limit):
        assert find_contrast(colour, colours.back) >= 4.5


def test_long_labels_leave_the_drawing_more_than_half_of_the_figure():
    exp = rollout.read(EXPERIMENT)["summaries-v3-experiment"]
    for chart in ("goals", "uplift", "segments"):
        figure = getattr(exp.plot, chart)()
        figure.draw_without_rendering()
        assert figure.axes[0].get_position().width > 0.5, chart
