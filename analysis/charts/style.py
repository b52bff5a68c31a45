"""Shared chart elements: style, time axis, shaded steps, marked moves and an outer legend.

The colours of Okabe & Ito (2008) can be distinguished by colour-blind readers. Every line also has
its own dash pattern and marker, so that the charts work in black and white.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from itertools import cycle, pairwise
from textwrap import wrap
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Columns = Mapping[str, Sequence[Any]]
"""Columns of equal length by name, for example a data frame."""


@dataclass(frozen=True)
class Palette:
    """The colours of a chart but those of its lines, for one background."""

    ink: str
    quiet: str
    grid: str
    limit: str
    back: str
    interval: str  # three times as light or dark as the background, and as what lies on it


LIGHT = Palette(
    ink="#000000",
    quiet="#767676",
    grid="#E4E4E4",
    limit="#A50F15",
    back="#FFFFFF",
    interval="#559BC8",
)
DARK = Palette(
    ink="#E6EDF3",
    quiet="#98A2AD",
    grid="#2C353E",
    limit="#FF9A8A",
    back="#0F1419",
    interval="#2E7FB8",
)
_palette: ContextVar[Palette] = ContextVar("palette", default=LIGHT)


def palette() -> Palette:
    """Return the colours in which charts are drawn now."""
    return _palette.get()


@contextmanager
def drawn_in(colours: Palette) -> Iterator[None]:
    """Draw charts in these colours while the context is open."""
    token = _palette.set(colours)
    try:
        yield
    finally:
        _palette.reset(token)


_STYLES = (
    {"color": "#0072B2", "linestyle": "-", "marker": "o"},
    {"color": "#D55E00", "linestyle": "--", "marker": "s"},
    {"color": "#009E73", "linestyle": "-.", "marker": "^"},
    {"color": "#CC79A7", "linestyle": (0, (1, 1)), "marker": "D"},
    {"color": "#E69F00", "linestyle": (0, (5, 1, 1, 1, 1, 1)), "marker": "v"},
    {"color": "#56B4E9", "linestyle": (0, (8, 3)), "marker": "P"},
)


def _look() -> Any:
    """Return matplotlib's settings for the colours of now."""
    colours = palette()
    return {
        "axes.axisbelow": True,
        "axes.edgecolor": colours.quiet,
        "axes.facecolor": colours.back,
        "axes.grid": True,
        "axes.grid.axis": "y",
        "axes.labelcolor": colours.ink,
        "axes.spines.right": False,
        "axes.spines.top": False,
        "axes.titlesize": "medium",
        "figure.facecolor": colours.back,
        "savefig.facecolor": colours.back,
        "font.size": 9.5,
        "grid.color": colours.grid,
        "legend.frameon": False,
        "legend.handlelength": 3.0,
        "lines.linewidth": 1.5,
        "lines.markersize": 4.0,
        "text.color": colours.ink,
        "xtick.color": colours.ink,
        "ytick.color": colours.ink,
    }


_WIDTH = 8.4  # inches
_LETTER, _HANDLE = 0.078, 0.6  # inches: of a letter, and of a legend's sign with its gaps
_COLUMNS, _LEAST, _LABEL = 5, 24, 44  # of a legend; letters in a line, and in one of a row's label
_DARKEST = 0.16  # 0 to 1: darkness of the background when the canary has all traffic
_ROOM = 0.08  # fraction of the time axis; of moves closer than this, only the last is labelled


def styles() -> Iterator[dict[str, Any]]:
    """Yield line styles without end; the first six are distinct even without colour."""
    return cycle(dict(style) for style in _STYLES)


@contextmanager
def panels(
    title: str, rows: int, height: float, *, shared: bool = True
) -> Iterator[tuple[Figure, list[Axes]]]:
    """Create a figure of stacked panels; `height` in inches per panel; `shared`: one axis below."""
    import matplotlib as mpl

    from analysis.charts.picture import Picture

    with mpl.rc_context(_look()):
        figure = Picture(figsize=(_WIDTH, 1.0 + height * rows), dpi=110, layout="constrained")
        axes: list[Axes] = list(figure.subplots(rows, 1, sharex=shared, squeeze=False)[:, 0])
        if title:
            figure.suptitle(title, x=0.01, ha="left", fontsize="large", fontweight="bold")
        yield figure, axes
        _add_legend(figure, axes)


def _add_legend(figure: Figure, axes: Sequence[Axes]) -> None:
    """Add one legend below all panels, with each name once."""
    handles: dict[str, Any] = {}
    for panel in axes:
        for handle, label in zip(*panel.get_legend_handles_labels(), strict=True):
            handles.setdefault(label, handle)
    if handles:
        columns = _fit_columns([*handles])
        figure.legend([*handles.values()], [*handles], loc="outside lower center", ncols=columns)


def _fit_columns(names: Sequence[str]) -> int:
    """Return how many columns of a legend, filled one after the other, are as wide as a figure."""
    for columns in range(min(len(names), _COLUMNS), 1, -1):
        rows, longer = divmod(len(names), columns)
        left, width = list(names), 0.0
        for index in range(columns):
            size = rows + (index < longer)
            own, left = left[:size], left[size:]
            width += _HANDLE + _LETTER * max(map(len, own))
        if width <= _WIDTH:
            return columns
    return 1


def fit_label(label: str) -> str:
    """Break a row's label into lines that leave the drawing more than half of the figure.

    What stands in brackets at its end stays together where that takes no further line.
    """
    lines = wrap(label, _LABEL)
    words, _, bracket = label.rpartition(" (")
    apart = [*wrap(words, _LABEL), f"({bracket}"]
    chosen = apart if words and 1 < len(apart) <= len(lines) else lines
    return "\n".join(chosen) or label


def fit_words(words: str, label: int) -> str:
    """Break words into lines that fit beside row labels of so many letters."""
    letters = max(int(_WIDTH / _LETTER) - label, _LEAST)
    return "\n".join(own for line in words.split("\n") for own in wrap(line, letters) or [""])


@dataclass(frozen=True)
class TimeAxis:
    """The time axis: one `unit` is this many `seconds`."""

    end: float
    seconds: float
    unit: str

    def of(self, times: Sequence[float]) -> list[float]:
        """Convert times in seconds to this clock's unit."""
        return [float(at) / self.seconds for at in times]


def clock(end: float) -> TimeAxis:
    """Choose the unit in which `end` seconds read best."""
    for seconds, unit, most in ((1.0, "s", 300.0), (60.0, "min", 18_000.0)):
        if end <= most:
            return TimeAxis(end, seconds, unit)
    return TimeAxis(end, 3600.0, "h")


def timed(axes: Sequence[Axes], steps: Columns, marks: Columns) -> TimeAxis:
    """Lay out the time axis of stacked panels: shade steps, mark moves. Returns its clock.

    `steps`: seconds, share (of the canary, 0 to 1, from then on); the last row is the end.
    `marks`: seconds, action, to (the share decided on); holds are not drawn.
    """
    times = clock(float(max(steps["seconds"])))
    moves = [move for move in zip(*_read_marks(marks), strict=True) if move[1] != "hold"]
    for panel in axes:
        panel.set_xlim(0, times.of([times.end * 1.02])[0] or 1.0)
        _shade_steps(panel, steps, times)
        for at, _, _ in moves:
            panel.axvline(
                at / times.seconds, color=palette().quiet, linewidth=0.8, linestyle=":", zorder=1
            )
    _label_moves(axes[0], moves, times)
    axes[-1].set_xlabel(f"time since the start of the rollout ({times.unit})")
    return times


def _read_marks(marks: Columns) -> tuple[list[float], list[str], list[float]]:
    return (
        [float(at) for at in marks["seconds"]],
        [str(action) for action in marks["action"]],
        [float(to) for to in marks["to"]],
    )


def _shade_steps(axes: Axes, steps: Columns, times: TimeAxis) -> None:
    edges = [*times.of(steps["seconds"]), axes.get_xlim()[1]]
    for (start, end), share in zip(pairwise(edges), steps["share"], strict=True):
        shade = _DARKEST * float(share) ** 0.5
        axes.axvspan(start, end, facecolor=palette().ink, alpha=shade, linewidth=0, zorder=0)


def _label_moves(axes: Axes, moves: Sequence[tuple[float, str, float]], times: TimeAxis) -> None:
    """Label moves above their lines: always the last, earlier ones where there is room."""
    next_labelled = float("inf")
    for at, action, to in reversed(moves):
        if next_labelled - at < _ROOM * times.end:
            continue
        next_labelled = at
        words = f"to {to * 100:.4g} %" if action == "advance" else action
        axes.annotate(
            words, (at / times.seconds, 1), xycoords=("data", "axes fraction"), xytext=(0, 3),
            textcoords="offset points", fontsize="small", annotation_clip=False,
        )  # fmt: skip


def percent(axes: Axes, symbol: str) -> None:
    """Label the value axis in per cent; the data remain shares."""

    def words(share: float, _place: float) -> str:
        return f"{share * 100:.4g}{symbol}".replace("-", "\N{MINUS SIGN}")

    axes.yaxis.set_major_formatter(words)
