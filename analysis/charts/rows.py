"""Charts with a row for each thing: intervals beside a limit, answers, moments.

Columns are as in the tables of the same names; None is unknown.
"""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from analysis.charts.comparison import say, to_numbers
from analysis.charts.style import Columns, clock, fit_label, fit_words, palette, panels

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_ROW, _LINE = 0.34, 0.16  # inches: of a row, and of each further line of its label
_LETTERS = 100  # of an answer on one line
_MOMENTS: tuple[dict[str, Any], ...] = (
    {"marker": "o", "color": "#0072B2", "markersize": 6},
    {"marker": "s", "color": "#D55E00", "markersize": 8, "fillstyle": "none"},
)
NOTHING = "nothing was compared"
MARKS = {"ok": "✓", "attention": "!", "unknown": "?"}
"""A sign for each status, so that none is told by its colour alone."""


def intervals(
    groups: Mapping[str, Columns],
    *,
    axis: str,
    limit: str = "",
    zero: str = "no difference",
    title: str = "",
    form: Callable[[float], str] | None = None,
    interval: str = "interval",
    empty: str = NOTHING,
) -> Figure:
    """Plot an interval for each row, by group, with the limit that it must not pass.

    Columns: label, estimate, low, high, allowed. `axis` names the value axis, `limit` and `zero`
    name the lines, `interval` the bars with their level; `form` writes its values, `empty` says why
    there is no group.
    """
    labels = {name: [*map(fit_label, columns["label"])] for name, columns in groups.items()}
    lines = [line for own in labels.values() for label in own for line in label.split("\n")]
    longest = max(map(len, lines), default=0)
    height = 0.7 + max(map(_find_height, labels.values()), default=_ROW)
    with panels(title, max(len(groups), 1), height, shared=False) as (figure, axes):
        for panel, (name, columns) in zip(axes, groups.items(), strict=False):
            _draw_rows(panel, {**columns, "label": labels[name]}, (interval, limit, zero))
            panel.set_title(fit_words(name, longest), loc="left", pad=6)
            if form is not None:
                panel.xaxis.set_major_formatter(lambda value, _: form(value))
        axes[-1].set_xlabel(fit_words(axis, longest))
        if not groups:
            say(axes[0], empty)
            axes[0].set_xticks([])
    return figure


def _find_height(labels: Sequence[str]) -> float:
    """Return the height of labelled rows in inches."""
    return _ROW * len(labels) + _LINE * sum(label.count("\n") for label in labels)


def _draw_rows(axes: Axes, columns: Columns, names: tuple[str, str, str]) -> None:
    interval, limit, zero = names
    at = list(range(len(columns["label"])))[::-1]
    estimate = to_numbers(columns["estimate"])
    for row, low, high in zip(
        at, to_numbers(columns["low"]), to_numbers(columns["high"]), strict=True
    ):
        axes.plot([low, high], [row, row], color=palette().interval, linewidth=5,
                  solid_capstyle="butt", label=interval, marker="")  # fmt: skip
    axes.plot(estimate, at, linestyle="", marker="o", color=palette().ink, label="estimate")
    if limit:
        axes.plot(
            to_numbers(columns["allowed"]), at, linestyle="", marker="|", markersize=14,
            markeredgewidth=2.2, color=palette().limit, label=limit,
        )  # fmt: skip
    if zero:
        axes.axvline(0, color=palette().quiet, linewidth=1.0, label=zero)
    axes.set_yticks(at, list(columns["label"]))
    axes.set_ylim(-0.6, len(at) - 0.4)
    axes.grid(visible=True, axis="x")


def multiples(columns: Columns, *, axis: str, title: str = "") -> Figure:
    """Plot multiples of what is allowed on a scale of powers; columns: label, times."""
    drawn = [(n, t) for n, t in zip(columns["label"], columns["times"], strict=True) if t]
    height = 0.8 + _ROW * max(len(drawn), 1)
    with panels(title, 1, height, shared=False) as (figure, (axes,)):
        if not drawn:
            say(axes, "nothing could have been found")
            return figure
        at = list(range(len(drawn)))[::-1]
        axes.hlines(at, 1.0, [times for _, times in drawn], color=palette().quiet, linewidth=1.2)
        axes.plot([times for _, times in drawn], at, linestyle="", marker="o", color="#0072B2")
        axes.set_xscale("log", base=2)
        axes.set_xlim(0.9, max(times for _, times in drawn) * 1.3)
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}x")
        axes.set_yticks(at, [name for name, _ in drawn])
        axes.set_ylim(-0.6, len(at) - 0.4)
        axes.set_xlabel(axis)
    return figure


def answers(columns: Columns, title: str = "") -> Figure:
    """Write questions with their answers and a sign for each; columns: question, status, answer."""
    texts = [
        (status, question, textwrap.wrap(answer, _LETTERS) or [""])
        for status, question, answer in zip(
            columns["status"], columns["question"], columns["answer"], strict=True
        )
    ]
    lines = sum(1.2 + len(answer) for _, _, answer in texts)
    with panels(title, 1, 0.22 * max(lines, 1)) as (figure, (axes,)):
        axes.axis("off")
        axes.set_ylim(-lines, 0)
        axes.set_xlim(0, 1)
        height = 0.0
        for status, question, answer in texts:
            colour = palette().limit if status == "attention" else palette().ink
            axes.text(0.0, height, MARKS.get(status, ""), color=colour, va="top", fontweight="bold")
            axes.text(0.025, height, question, va="top", color=colour)
            axes.text(0.025, height - 1, "\n".join(answer), va="top", color=palette().quiet)
            height -= 1.2 + len(answer)
        if not texts:
            say(axes, "nothing was asked")
    return figure


def moments(
    columns: Columns, names: Sequence[str], title: str = "", labels: Sequence[str] = ()
) -> Figure:
    """Plot when something happened, in seconds, by row; columns: label, and one of each name.

    With `labels`, the label of a row is its place among them, and several rows may share it.
    """
    rows = [*labels] or list(columns["label"])
    numbers = list(columns["label"]) if labels else range(len(rows))
    with panels(title, 1, 0.9 + _ROW * max(len(rows), 1), shared=False) as (figure, (axes,)):
        times = clock(max([0.0, *(at for name in names for at in columns[name] if at)]))
        heights = [len(rows) - 1 - number for number in numbers]
        for name, style in zip(names, _MOMENTS, strict=False):
            reached = [(t, y) for t, y in zip(columns[name], heights, strict=True) if t is not None]
            axes.plot(times.of([t for t, _ in reached]), [y for _, y in reached], linestyle="",
                      label=name, **style)  # fmt: skip
        axes.set_yticks(range(len(rows))[::-1], rows)
        axes.set_ylim(-0.6, max(len(rows), 1) - 0.4)
        room = 0.015 * times.of([times.end])[0] or 0.015  # for markers at both ends
        axes.set_xlim(-room, times.of([times.end])[0] + room)
        axes.set_xlabel(f"time since the start of the rollout ({times.unit})")
        if all(at is None for name in names for at in columns[name]):
            say(axes, "it was never reached")
    return figure
