"""Draws a rollout's charts for the page, each in a light and a dark variant, and keeps the newest.

They are the analysts' charts of the same record. Drawing takes a second or so: a page names its
charts as images, which a browser fetches beside it, so no page waits for one.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from importlib.util import find_spec
from threading import Lock

from rollout.errors import InputError
from rollout.page.reader import JournalReader
from rollout.review.history import RecordedRollout, history

CHARTS = {
    "weight": "The canary's confirmed share of traffic over time, and the decisions.",
    "harm": "Evidence of harm of each guardrail and together, against the boundary of a rollback.",
    "safety": "Evidence of safety of each guardrail, against the boundary of a promotion.",
    "intervals": "Each guardrail's difference, canary minus stable, with its interval and margin.",
    "rates": "Each version's share of bad units look by look, with each look's own interval.",
    "distributions": "How the values of each histogram lie, and between which edges quantiles are.",
    "share": "The canary's share of requests and labels, against the one that its weight promises.",
}
"""Each chart's name, and what it shows, for those who cannot see it."""

_METHODS = {
    "weight": "timeline",
    "harm": "evidence",
    "safety": "safety",
    "intervals": "intervals",
    "rates": "rates",
    "distributions": "distributions",
    "share": "share",
}
"""The analysts' chart that each is."""

THEMES = ("light", "dark")

POLICY = "default-src 'none'; style-src 'unsafe-inline'; sandbox"
"""Content security policy of a chart: a drawing has styles of its own, and may do nothing else."""

_KEPT = 32  # drawings, each in every theme


def are_available() -> bool:
    """Return whether the library that draws is installed; it is no need of the page."""
    return find_spec("matplotlib") is not None


@dataclass(frozen=True)
class ChartRoom:
    """Draws charts, one at a time, and keeps the newest: the drawing library is not for threads."""

    reader: JournalReader
    _kept: OrderedDict[tuple[str, int, str], dict[str, bytes]] = field(default_factory=OrderedDict)
    _records: dict[tuple[str, int], RecordedRollout] = field(default_factory=dict)  # the newest
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
            key = rollout, entries[-1].seq, chart
            if key not in self._kept:
                if key[:2] not in self._records:  # all charts of it are drawn from one record
                    self._records.clear()
                    self._records[key[:2]] = history(entries)
                self._kept[key] = _draw(self._records[key[:2]], chart)
                while len(self._kept) > _KEPT:
                    self._kept.popitem(last=False)
            self._kept.move_to_end(key)
            return self._kept[key][theme]


def _draw(recorded: RecordedRollout, chart: str) -> dict[str, bytes]:
    from rollout.experiment.plots import Plots
    from rollout.experiment.svg import to_themes

    return to_themes(getattr(Plots(recorded), _METHODS[chart]))
