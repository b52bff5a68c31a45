"""Draws a rollout's charts for the page, each in a light and a dark variant, and keeps the newest.

They are the analysts' charts of the same record. Drawing takes a second or so: a page names its
charts as images, which a browser fetches beside it, so no page waits for one.
"""

from __future__ import annotations

import io
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib.util import find_spec
from threading import Lock
from typing import Any

from rollout.errors import InputError
from rollout.page.reader import JournalReader
from rollout.review.history import RecordedRollout, history

CHARTS = {
    "weight": "The canary's confirmed share of traffic over time, and the decisions.",
    "harm": "Evidence of harm of each guardrail and together, against the boundary of a rollback.",
    "safety": "Evidence of safety of each guardrail, against the boundary of a promotion.",
    "intervals": "Each guardrail's difference, canary minus stable, with its interval and margin.",
}
"""Each chart's name, and what it shows, for those who cannot see it."""

THEMES = ("light", "dark")

POLICY = "default-src 'none'; style-src 'unsafe-inline'; sandbox"
"""Content security policy of a chart: a drawing has styles of its own, and may do nothing else."""

_KEPT = 64  # drawings


def are_available() -> bool:
    """Return whether the libraries that draw are installed; they are no need of the page."""
    return all(find_spec(name) is not None for name in ("matplotlib", "pandas"))


@dataclass(frozen=True)
class ChartRoom:
    """Draws charts, one at a time, and keeps the newest: the drawing library is not for threads."""

    reader: JournalReader
    _kept: OrderedDict[tuple[str, int, str, str], bytes] = field(default_factory=OrderedDict)
    _lock: Lock = field(default_factory=Lock)

    def draw(self, rollout: str, chart: str, theme: str) -> bytes:
        """Return a chart as SVG. Raises InputError for an unknown rollout, chart or theme."""
        if chart not in CHARTS or theme not in THEMES or not are_available():
            raise InputError(f"there is no chart {chart!r} in {theme!r}")
        self.reader.refresh()
        with self._lock:
            entries = self.reader.entries_of(rollout)
            if not entries:
                raise InputError(f"there is no rollout {rollout!r} in this journal")
            key = rollout, entries[-1].seq, chart, theme
            if key not in self._kept:
                self._kept[key] = _draw(history(entries), chart, theme)
                while len(self._kept) > _KEPT:
                    self._kept.popitem(last=False)
            self._kept.move_to_end(key)
            return self._kept[key]


def _draw(recorded: RecordedRollout, chart: str, theme: str) -> bytes:
    from analysis.charts.style import DARK, LIGHT, drawn_in

    with drawn_in(DARK if theme == "dark" else LIGHT):
        figure = _FIGURES[chart](recorded)
    drawing = io.BytesIO()
    figure.savefig(drawing, format="svg", facecolor=figure.get_facecolor(), metadata={"Date": None})
    return drawing.getvalue()


def _draw_weight(recorded: RecordedRollout) -> Any:
    from analysis.charts import timeline
    from rollout.review import frames

    return timeline.weight(frames.weights(recorded), frames.decisions(recorded))


def _draw_harm(recorded: RecordedRollout) -> Any:
    from rollout.review import frames

    return _draw_evidence(recorded, frames.harm(recorded), recorded.alpha, "a rollback")


def _draw_safety(recorded: RecordedRollout) -> Any:
    from rollout.review import frames

    return _draw_evidence(recorded, frames.proof(recorded), recorded.beta, "proven safe")


def _draw_evidence(recorded: RecordedRollout, lines: Any, level: float, meaning: str) -> Any:
    from analysis.charts import timeline
    from rollout.review import frames

    return timeline.evidence(
        lines.index, lines, level, meaning=meaning,
        steps=frames.weights(recorded), marks=frames.decisions(recorded),
    )  # fmt: skip


def _draw_intervals(recorded: RecordedRollout) -> Any:
    from analysis.charts import timeline
    from rollout.review import frames

    columns = {
        name: frames.interval(recorded, name).reset_index() for name in recorded.state.guardrails
    }
    return timeline.intervals(
        columns, steps=frames.weights(recorded), marks=frames.decisions(recorded)
    )


_FIGURES: dict[str, Callable[[RecordedRollout], Any]] = {
    "weight": _draw_weight,
    "harm": _draw_harm,
    "safety": _draw_safety,
    "intervals": _draw_intervals,
}
