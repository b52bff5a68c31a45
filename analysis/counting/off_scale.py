"""Scores that are none: NaN, and those beyond the end of the scale, in the last bucket."""

from __future__ import annotations

from dataclasses import replace

from analysis.counting.counts import Counts

SCALES = frozenset({1.0, 5.0, 10.0, 100.0})
"""Ends of scales: no score lies beyond a last edge that is one of these."""


def split_off_scale(counts: Counts, edge: float | None = None) -> tuple[Counts, tuple[int, int]]:
    """Return the counts without the units beyond the scale, and these: (canary, stable).

    No scale ends at the `edge` above which units are good.

    Client libraries count NaN in the bucket up to infinity, where it looks like the best score. A
    layout whose last finite edge ends no scale may hold true scores there, so it is left as it is.
    """
    if len(counts.edges) < 2 or counts.edges[-2] not in SCALES or counts.edges[-2] == edge:
        return counts, (0, 0)
    canary, stable = (*counts.canary[:-1], 0), (*counts.stable[:-1], 0)
    rest = replace(counts, canary=canary, stable=stable)
    return rest, (counts.canary[-1], counts.stable[-1])
