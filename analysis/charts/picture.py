"""A figure that notebooks show as a picture, whether or not `%matplotlib inline` was said."""

from __future__ import annotations

import io

from matplotlib.figure import Figure


class Picture(Figure):
    """A figure that draws itself; matplotlib's own is a line of text until pyplot is loaded."""

    def _repr_png_(self) -> bytes:
        drawing = io.BytesIO()
        self.savefig(drawing, format="png", facecolor=self.get_facecolor())
        return drawing.getvalue()
