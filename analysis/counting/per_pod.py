"""A version's past per pod: converts cumulative series to counts per tick and pod."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from analysis.counting.counts import EXACT, INEXACT, EvidenceError
from analysis.counting.cursor import Cursor, Series, in_one_layout

TickCounts = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class PodCounts:
    """Counts of each pod of one version in each tick.

    `counts` has the shape (ticks, pods, kinds). A rate (`edges` is empty) has two kinds, exposures
    and bad units; a histogram has one per bucket, not cumulative. Tick i ends at unix time
    `ends[i]`. A pod that did not exist counts 0. `canary` is the number of the canary's pods.
    """

    pods: tuple[str, ...]
    ends: tuple[float, ...]
    counts: TickCounts
    edges: tuple[float, ...] = ()
    canary: int = 0

    @property
    def exposures(self) -> TickCounts:
        """Units per tick and pod: (ticks, pods)."""
        return self.counts.sum(axis=-1) if self.edges else self.counts[..., 0]


@dataclass(frozen=True)
class TickGrid:
    """Sample times: `ticks` steps of `step` seconds from unix time `start`."""

    start: float
    step: float
    ticks: int

    def places(self, times: Iterable[float]) -> NDArray[np.intp]:
        """Convert times to grid indices, 0 to `ticks`, and one more each outside: (times,)."""
        indices = np.rint((np.fromiter(times, dtype=np.float64) - self.start) / self.step)
        # A time far outside is outside, whatever integers hold.
        return np.asarray(np.clip(indices, -1, self.ticks + 1), dtype=np.intp)

    @property
    def ends(self) -> tuple[float, ...]:
        """The time, in unix seconds, at which each tick ends."""
        return tuple(self.start + self.step * (i + 1) for i in range(self.ticks))


def count(
    pods: Mapping[str, Sequence[Series]], grid: TickGrid, settled: int = 0, canary: int = 0
) -> PodCounts:
    """Count units per tick and pod from samples on a grid of times.

    A drop in any bucket is a reset: the new value counts in full. A series that appears later than
    its pod is new and counts in full too (an error's first burst). The first samples of a pod, and
    of series that appear within `settled` ticks, are the baseline and count nothing. Where a sample
    is missing or NaN, its units count in the next tick.

    Args:
        pods: each pod's series, with samples at the grid's times.
        grid: the times.
        settled: first ticks, in which a series that appears is not new.
        canary: the number of the canary's pods, passed on.

    Raises:
        EvidenceError: values are not counts, or bucket layouts differ.
    """
    pods = _align_layouts(pods)
    layouts = {entry.edges for series in pods.values() for entry in series}
    if len(layouts) > 1:
        raise EvidenceError("bucket layouts differ in the past")
    edges = next(iter(layouts), ())
    total = np.zeros((grid.ticks, len(pods), len(edges) or 2), dtype=np.int64)
    for at, series in enumerate(pods.values()):
        tables = [(entry, *_tabulate(entry, grid)) for entry in series]
        first = min((int(where[0]) for _, where, _ in tables if where.size), default=0)
        for entry, where, rows in tables:
            total[:, at] += _count_units(entry, where, rows, max(first, settled), grid.ticks)
    return PodCounts(tuple(pods), grid.ends, total, edges, canary)


def _align_layouts(pods: Mapping[str, Sequence[Series]]) -> Mapping[str, Sequence[Series]]:
    """Put the native histograms of all pods on one layout."""
    sampled = [entry for series in pods.values() for entry in series if entry.samples]
    if all(entry.schema is None for entry in sampled):
        return pods
    _, aligned = in_one_layout(Cursor(), sampled)
    # One flat list in the order of the pods, dealt out again by their numbers of sampled series;
    # it is empty where no bucket was ever occupied.
    rest = iter(aligned)
    return {pod: list(islice(rest, sum(map(_has_samples, series)))) for pod, series in pods.items()}


def _has_samples(series: Series) -> bool:
    return bool(series.samples)


def _tabulate(series: Series, grid: TickGrid) -> tuple[NDArray[np.intp], TickCounts]:
    """Return grid indices and counts per bucket of one series' finite samples on the grid."""
    width = len(series.edges) or 1
    values = np.array([v for _, v in series.samples], dtype=np.float64).reshape(-1, width)
    places = grid.places(at for at, _ in series.samples)
    is_used = np.isfinite(values).all(axis=1) & (places >= 0) & (places <= grid.ticks)
    rows = np.diff(_as_counts(values[is_used]), axis=1, prepend=0)
    return places[is_used], rows


def _count_units(
    series: Series, where: NDArray[np.intp], rows: TickCounts, born: int, ticks: int
) -> TickCounts:
    """Count one series' units per tick, (ticks, kinds); from 0 if it appears after tick `born`."""
    # A series that appears after its pod started at 0: prepend that sample, so that it counts.
    if where.size and where[0] > born:
        where, rows = np.insert(where, 0, 0), np.insert(rows, 0, 0, axis=0)
    gains = np.diff(rows, axis=0)
    again = (gains < 0).any(axis=1)
    gains[again] = rows[1:][again]
    units = np.zeros((ticks, rows.shape[1]), dtype=np.int64)
    units[where[1:] - 1] = gains
    return units if series.edges else np.hstack([units * series.total, units * series.bad])


def _as_counts(values: NDArray[np.float64]) -> TickCounts:
    """Convert cumulative counts to integers, (samples, kinds); raises EvidenceError if invalid."""
    whole = np.rint(values)
    if np.abs(values - whole).max(initial=0.0) > 1e-6:
        raise EvidenceError("a sample in the past is not a whole number: this is no counter")
    if (whole < 0).any() or (np.diff(whole, axis=1) < 0).any():
        raise EvidenceError("a sample in the past is negative or no cumulative count")
    if (whole > EXACT).any():
        raise EvidenceError(f"in the past {INEXACT}")
    return np.asarray(whole, dtype=np.int64)
