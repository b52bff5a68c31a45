"""Charts of one comparison over time: each function turns columns of numbers into a figure.

Times are in seconds, shares from 0 to 1, evidence in powers of ten. `steps` and `marks` are the
canary's share of traffic and the decisions, as `style.timed` takes them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from analysis.charts.comparison import say
from analysis.charts.style import (
    Columns,
    TimeAxis,
    palette,
    panels,
    percent,
    styles,
    timed,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_MEAN: dict[str, Any] = {
    "linewidth": 3.2,
    "zorder": 1.9,
}  # drawn below the single lines
_DEEPEST = -3.0  # powers of ten: lower values are cut off at the bottom of the panel
_FAR = 10.0  # times the boundary, from which on the scale is logarithmic beyond it


def weight(steps: Columns, marks: Columns, title: str = "") -> Figure:
    """Plot the canary's confirmed share of traffic and every decision, holds included."""
    with panels(title, 1, 2.0) as (figure, (axes,)):
        times = timed([axes], steps, marks)
        at = times.of(steps["seconds"])
        axes.step(
            at, list(steps["share"]), where="post", color=palette().ink, label="confirmed share"
        )
        _mark_decisions(axes, times, marks, "decision to move", marker="o", markersize=6.5)
        _mark_decisions(axes, times, marks, "decision to hold", marker="|", markersize=10)
        axes.set_ylabel("canary's share of traffic")
        top = max([*steps["share"], *marks["to"]]) or 1.0
        axes.set_ylim(-0.03 * top, 1.05 * top)
        percent(axes, symbol=" %")
    return figure


def _mark_decisions(axes: Axes, times: TimeAxis, marks: Columns, label: str, **style: Any) -> None:
    """Mark either the decisions to hold or those to move, at the share they decide on."""
    holds = label.endswith("hold")
    rows = zip(marks["seconds"], marks["action"], marks["to"], strict=True)
    chosen = [(at, to) for at, action, to in rows if (action == "hold") == holds]
    axes.plot(
        times.of([at for at, _ in chosen]), [to for _, to in chosen], linestyle="",
        color=palette().ink, markerfacecolor=palette().back, clip_on=False, label=label, **style,
    )  # fmt: skip


def evidence(
    seconds: Sequence[float],
    lines: Columns,
    level: float,
    *,
    steps: Columns,
    marks: Columns,
    title: str = "",
    meaning: str = "",
) -> Figure:
    """Plot evidence in powers of ten, one line per column, against the boundary 1/level.

    A column named `mean` is thick and black, because the mean decides. `meaning` says what crossing
    the boundary means.
    """
    with panels(title, 1, 3.1) as (figure, (axes,)):
        times = timed([axes], steps, marks)
        style = styles()
        for name, values in lines.items():
            drawn = _MEAN | {"color": palette().ink} if name == "mean" else next(style)
            axes.plot(times.of(seconds), list(values), label=name, **drawn)
        _draw_boundary(axes, level, meaning)
        _limit_height(axes, lines, -math.log10(level))
        axes.set_ylabel("evidence (log10)")
    return figure


def _draw_boundary(axes: Axes, level: float, meaning: str) -> None:
    boundary = -math.log10(level)
    axes.axhline(boundary, color=palette().limit, linewidth=1.8, zorder=1.5)
    axes.annotate(
        f"1/{level:g} = {1 / level:.4g}: {meaning}", (0, boundary),
        xycoords=("axes fraction", "data"), xytext=(4, 3), textcoords="offset points",
        color=palette().limit, fontsize="small",
    )  # fmt: skip


def _limit_height(axes: Axes, lines: Columns, boundary: float) -> None:
    finite = [float(v) for _, values in lines.items() for v in values if math.isfinite(v)]
    least, most = min([*finite, 0.0]), max([*finite, boundary])
    bottom = max(least, _DEEPEST)
    if most > _FAR * boundary:  # one that is far beyond it would press all others to the floor
        axes.set_yscale("symlog", linthresh=2 * boundary)
        axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
        axes.set_ylim(bottom - 0.2, most * 1.5)
        return
    axes.set_ylim(bottom - 0.2, most + 0.12 * (most - bottom) + 0.2)


def intervals(
    guardrails: Mapping[str, Columns],
    *,
    steps: Columns,
    marks: Columns,
    title: str = "",
    interval: str = "interval",
) -> Figure:
    """Plot each guardrail's difference of bad shares, with its interval and its margin.

    Columns: seconds, estimate, low, high, allowed, words. `interval` names the ribbon. The
    panel's height fits the later half of the intervals, so the first ones may be cut off.
    """
    with panels(title, max(len(guardrails), 1), 1.75) as (figure, axes):
        times = timed(axes, steps, marks)
        for panel, (name, columns) in zip(axes, guardrails.items(), strict=False):
            _draw_interval(panel, times.of(columns["seconds"]), columns, interval)
            words = list(columns["words"])[-1:] or ["nothing was measured"]
            _set_heading(panel, f"{name}: {words[0]}", first=panel is axes[0])
            percent(panel, symbol="")
            _fit_height(panel, columns)
        if not guardrails:
            say(axes[0], "nothing was compared")
        figure.supylabel("canary minus stable (points)", fontsize="medium")
    return figure


def _set_heading(axes: Axes, words: str, *, first: bool) -> None:
    axes.set_title(words, loc="left", pad=16 if first else 6)


def _draw_interval(axes: Axes, at: Sequence[float], columns: Columns, interval: str) -> None:
    low, high = list(columns["low"]), list(columns["high"])
    axes.fill_between(at, low, high, color="#0072B2", alpha=0.25, linewidth=0, label=interval)
    for bound in (low, high):
        axes.plot(at, bound, color="#0072B2", linewidth=0.8)
    axes.axhline(0, color=palette().quiet, linewidth=1.0, label="no difference")
    axes.plot(
        at, list(columns["allowed"]), color=palette().limit, linestyle="--", label="allowed at most"
    )
    axes.plot(at, list(columns["estimate"]), color=palette().ink, marker="o", label="estimate")


def _fit_height(axes: Axes, columns: Columns) -> None:
    """Fit the height to the later half of the intervals; the margin is always visible.

    The first intervals are so wide that they would flatten everything after them.
    """
    low, high, allowed = (list(columns[name]) for name in ("low", "high", "allowed"))
    half = len(low) // 2
    bottom = min([*low[half:], 0.0])
    top = max([*high[half:], *allowed[half:], 0.0])
    room = 0.08 * (top - bottom) or 0.01
    axes.set_ylim(bottom - room, top + room)
