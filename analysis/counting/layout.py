"""Puts classic histograms of several bucket layouts on the edges that all of them share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from analysis.counting.counts import EvidenceError
from analysis.counting.cursor import Cursor, Sample, Series

DIFFER = "bucket layouts differ"


def on_common_edges(cursor: Cursor, series: Sequence[Series]) -> tuple[Cursor, Sequence[Series]]:
    """Keep only the edges that the cursor and every series have.

    Counts at an edge are cumulative, so leaving out the edges between is exact. Raises
    EvidenceError where no finite edge is common, and where only some series have buckets.
    """
    for entry in series:
        if any(len(values) != (len(entry.edges) or 1) for _, values in entry.samples):
            raise EvidenceError("a sample does not fit its bucket layout")
    layouts = {entry.edges for entry in series if entry.samples}
    layouts |= {cursor.edges} if cursor.last else set()
    if len(layouts) < 2:
        return replace(cursor, edges=next(iter(layouts), cursor.edges)), series
    common = tuple(sorted(set.intersection(*map(set, layouts))))
    if cursor.grid is not None:  # native histograms have one layout, so these are classic ones
        raise EvidenceError(f"{DIFFER}: native histograms follow classic ones, or precede them")
    if len(common) < 2:
        raise EvidenceError(f"{DIFFER}, no edge is in all of them")
    last = {key: _pick(sample, cursor.edges, common) for key, sample in cursor.last.items()}
    owed = {
        key: of.on_edges(lambda row: _pick((0.0, row), cursor.edges, common)[1])
        for key, of in cursor.owed.items()
    }
    moved = replace(cursor, last=last, edges=common, left={}, owed=owed)
    return moved, [on_edges(entry, common) for entry in series]


def on_edges(series: Series, wanted: tuple[float, ...]) -> Series:
    """Return the series at these edges. Raises EvidenceError where it lacks one."""
    if series.edges == wanted:
        return series
    if not set(wanted) <= set(series.edges):
        raise EvidenceError(DIFFER)
    samples = tuple(_pick(sample, series.edges, wanted) for sample in series.samples)
    return replace(series, samples=samples, edges=wanted)


def _pick(sample: Sample, edges: tuple[float, ...], wanted: tuple[float, ...]) -> Sample:
    at, values = sample
    at_edge = dict(zip(edges, values, strict=True))
    return at, tuple(at_edge[edge] for edge in wanted)
