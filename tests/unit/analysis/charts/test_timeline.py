"""Charts draw what they are given, without warnings, and can be told apart without colour."""

import io
from itertools import islice

import pytest

from analysis.charts import timeline
from analysis.charts.style import Columns, clock, styles

STEPS: Columns = {"seconds": [0.0, 8.0, 20.0, 46.0], "share": [0.0, 0.05, 0.5, 0.5]}
MARKS: Columns = {
    "seconds": [0.0, 8.0, 10.0, 20.0, 46.0],
    "action": ["hold", "advance", "hold", "advance", "roll back"],
    "to": [0.0, 0.05, 0.05, 0.5, 0.0],
}
SECONDS = [10.0, 20.0, 46.0]
LINES: Columns = {
    "errors": [-0.5, -0.2, 1.5],
    "latency": [float("nan"), -0.5, 2.1],
    "accuracy": [-0.5, -9.0, -20.0],
    "mean": [0.0, 0.3, 2.2],
}
COLUMNS: Columns = {
    "seconds": SECONDS,
    "estimate": [0.0, 0.02, 0.03],
    "low": [-0.5, -0.01, 0.01],
    "high": [0.5, 0.06, 0.05],
    "allowed": [0.01, 0.01, 0.01],
    "words": ["share of bad requests"] * 3,
}
NOTHING: Columns = {name: [] for name in COLUMNS}
BEGUN: Columns = {"seconds": [0.0, 0.0], "share": [0.0, 0.0]}
NO_MARKS: Columns = {"seconds": [], "action": [], "to": []}


def drawn(figure):
    """The figure's panels after it was drawn; a warning fails the test."""
    page = io.BytesIO()
    figure.savefig(page, format="png")
    assert page.getvalue().startswith(b"\x89PNG")
    return figure.axes


def line(axes, label):
    (match,) = [curve for curve in axes.lines if curve.get_label() == label]
    return match


def same(values, expected):
    assert list(values) == pytest.approx(list(expected), nan_ok=True)


def test_the_weight_and_every_decision_on_it():
    (axes,) = drawn(timeline.weight(STEPS, MARKS, "traffic"))
    confirmed = line(axes, "confirmed share")
    same(confirmed.get_xdata(), STEPS["seconds"])
    same(confirmed.get_ydata(), STEPS["share"])
    same(line(axes, "decision to move").get_xdata(), [8, 20, 46])
    same(line(axes, "decision to hold").get_ydata(), [0.0, 0.05])
    named = [text.get_text() for text in axes.texts]
    assert named == ["roll back", "to 50 %", "to 5 %"]
    assert axes.get_xlabel() == "time since the start of the rollout (s)"


def test_evidence_is_one_line_per_column_and_the_boundary():
    figure = timeline.evidence(SECONDS, LINES, 0.01, steps=STEPS, marks=MARKS, meaning="roll back")
    (axes,) = drawn(figure)
    for name, values in LINES.items():
        same(line(axes, name).get_ydata(), values)
        same(line(axes, name).get_xdata(), SECONDS)
    boundary = [curve for curve in axes.lines if list(curve.get_ydata()) == [2.0, 2.0]]
    assert len(boundary) == 1
    assert "1/0.01 = 100: roll back" in [text.get_text() for text in axes.texts]
    bottom, top = axes.get_ylim()
    assert -4 < bottom < -3
    assert top > 2.2
    assert line(axes, "mean").get_linewidth() > line(axes, "errors").get_linewidth()


def test_the_boundary_is_in_sight_of_small_evidence():
    (axes,) = drawn(timeline.evidence([1.0], {"a": [0.0]}, 0.01, steps=STEPS, marks=MARKS))
    assert axes.get_ylim()[1] > 2


def test_intervals_are_one_panel_each():
    columns = {"errors": COLUMNS, "latency": COLUMNS, "accuracy": NOTHING}
    panels = drawn(timeline.intervals(columns, steps=STEPS, marks=MARKS))
    titles = [axes.get_title(loc="left") for axes in panels]
    assert titles == [
        "errors: share of bad requests",
        "latency: share of bad requests",
        "accuracy: nothing was measured",
    ]
    for name in ("estimate", "allowed"):
        label = "allowed at most" if name == "allowed" else name
        same(line(panels[0], label).get_ydata(), COLUMNS[name])
    ribbon = next(c for c in panels[0].collections if c.get_label() == "interval")
    heights = ribbon.get_paths()[0].vertices[:, 1]
    assert (min(heights), max(heights)) == (-0.5, 0.5)
    bottom, top = panels[0].get_ylim()
    assert -0.1 < bottom < -0.01
    assert 0.06 < top < 0.1


def test_the_legend_covers_no_data():
    for figure in (
        timeline.weight(STEPS, MARKS),
        timeline.evidence(SECONDS, LINES, 0.05, steps=STEPS, marks=MARKS),
        timeline.intervals({"errors": COLUMNS}, steps=STEPS, marks=MARKS),
    ):
        panels = drawn(figure)
        (legend,) = figure.legends
        assert legend.get_window_extent().y1 < min(a.get_window_extent().y0 for a in panels)


def test_moves_that_are_close_are_not_all_named():
    marks: Columns = {
        "seconds": [10, 10.5, 11, 30],
        "action": ["advance"] * 4,
        "to": [0.01, 0.02, 0.03, 1],
    }
    (axes,) = drawn(timeline.weight(STEPS, marks))
    assert [text.get_text() for text in axes.texts] == ["to 100 %", "to 3 %"]


def test_nothing_yet_is_drawn_too():
    drawn(timeline.weight(BEGUN, NO_MARKS))
    drawn(timeline.evidence([], {"errors": []}, 0.01, steps=BEGUN, marks=NO_MARKS))
    drawn(timeline.intervals({"errors": NOTHING}, steps=BEGUN, marks=NO_MARKS))
    drawn(timeline.intervals({}, steps=BEGUN, marks=NO_MARKS))


@pytest.mark.parametrize(
    ("end", "unit", "last"), [(46, "s", 46), (3600, "min", 60), (86_400, "h", 24)]
)
def test_time_is_told_in_the_unit_that_reads_best(end, unit, last):
    times = clock(end)
    assert (times.unit, times.of([end])) == (unit, [last])


def test_six_lines_differ_without_colour():
    shapes = {(str(s["linestyle"]), s["marker"]) for s in islice(styles(), 6)}
    assert len({dash for dash, _ in shapes}) == len({marker for _, marker in shapes}) == 6
