"""Charts as SVG: the same bytes for the same chart, in light and in dark from one drawing."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import TYPE_CHECKING

from analysis.charts.style import DARK, LIGHT, Palette, drawn_in

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def to_svg(figure: Figure) -> bytes:
    """Return a figure as SVG, the same bytes for the same figure."""
    import matplotlib as mpl

    drawing = io.BytesIO()
    with mpl.rc_context({"svg.hashsalt": "surefoot"}):  # names inside would be random
        colour = figure.get_facecolor()
        figure.savefig(drawing, format="svg", facecolor=colour, metadata={"Date": None})
    return drawing.getvalue()


def to_themes(draw: Callable[[], Figure]) -> dict[str, bytes]:
    """Return what `draw` draws as SVG for each theme: light and dark.

    It is drawn once, because a layout takes far longer than its colours: in dark ones, since none
    of them is black. SVG leaves black out where it is the default: nothing could take its place.
    """
    with drawn_in(DARK):
        dark = to_svg(draw())
    return {"light": recolour(dark, DARK, LIGHT), "dark": dark}


def recolour(drawing: bytes, before: Palette, after: Palette) -> bytes:
    """Return a drawing whose colours of one palette are those of another."""
    for name, colour in vars(before).items():
        old, new = colour.lower().encode(), getattr(after, name).lower().encode()
        drawing = drawing.replace(old, new)
    return drawing
