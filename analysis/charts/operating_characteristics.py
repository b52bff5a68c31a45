"""A chart of operating characteristics: frequency and time of each outcome, per scenario."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from analysis.charts.style import LIGHT

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe & Ito (2008), named in the legend.
_INKS: Mapping[str, str] = {
    "promoted": "#009E73",
    "rolled back": "#D55E00",
    "no winner": "#56B4E9",
    "stuck": "#E69F00",
    "blind": "#999999",
}
_DOT = "#0072B2"
_NUMBERED = 6.0  # per cent: a shorter bar segment has no room for its number
_TIMES = (1.0, 10.0, 60.0, 600.0, 3600.0, 6 * 3600.0, 86400.0, 7 * 86400.0, 70 * 86400.0)


def characteristics(
    worlds: Sequence[str],
    outcomes: Mapping[str, Sequence[float]],
    seconds: Sequence[tuple[float, float, float]],
    words: Callable[[float], str],
    title: str = "",
) -> Figure:
    """Draw outcomes as bars and times as spans, one row per world, the first on top.

    Args:
        worlds: names of the simulated scenarios.
        outcomes: outcomes by name, their shares 0 to 1 per world.
        seconds: quantiles .1, .5 and .9 of the time to the decision, per world.
        words: formats a time in seconds.
        title: of the whole figure.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with mpl.rc_context({"font.size": 9.5, "svg.fonttype": "none", "axes.edgecolor": LIGHT.quiet}):
        figure = Figure(figsize=(9.5, 1.6 + 0.48 * len(worlds)), dpi=110, layout="constrained")
        left, right = figure.subplots(1, 2, sharey=True, width_ratios=(3, 2))
        figure.suptitle(title, x=0.01, ha="left", fontsize="large", fontweight="bold")
        left.set_yticks(range(len(worlds)), worlds)
        left.set_ylim(len(worlds) - 0.4, -0.6)
        _draw_bars(left, outcomes)
        _draw_spans(right, seconds, words)
        for axes in (left, right):
            axes.spines[["top", "right", "left"]].set_visible(False)
            axes.tick_params(axis="y", length=0)
        figure.legend(loc="outside lower left", ncols=5, frameon=False)
    return figure


def _draw_bars(axes: Axes, outcomes: Mapping[str, Sequence[float]]) -> None:
    ends = [0.0] * len(next(iter(outcomes.values())))
    for name, shares in outcomes.items():
        percentages = [share * 100 for share in shares]
        bars = axes.barh(
            range(len(percentages)), percentages, 0.7, left=ends, color=_INKS[name], label=name
        )
        numbers = [
            f"{percentage:.0f}" if percentage >= _NUMBERED else "" for percentage in percentages
        ]
        axes.bar_label(bars, numbers, label_type="center", fontweight="bold")
        ends = [end + percentage for end, percentage in zip(ends, percentages, strict=True)]
    axes.set_xlim(0, 100)
    axes.set_xlabel("% of runs")


def _draw_spans(
    axes: Axes, seconds: Sequence[tuple[float, float, float]], words: Callable[[float], str]
) -> None:
    for row, times in enumerate(seconds):
        low, middle, high = (max(time, 1.0) for time in times)
        axes.plot([low, high], [row, row], color=_DOT, linewidth=5, alpha=0.35)
        axes.plot(middle, row, "o", color=_DOT)
        axes.annotate(words(middle), (middle, row), (0, 6), textcoords="offset points", ha="center")
    first, last = min(low for low, _, _ in seconds), max(high for _, _, high in seconds)
    axes.set_xscale("log")
    axes.minorticks_off()
    axes.set_xlim(max(first, 1.0) / 1.6, max(last, 1.0) * 1.6)
    ticks = [time for time in _TIMES if first / 1.6 <= time <= last * 1.6]
    axes.set_xticks(ticks, [words(time) for time in ticks])
    axes.set_xlabel("time to the decision: median, and .1 to .9")
