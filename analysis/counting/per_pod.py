"""A version's past, pod by pod: cumulative series on a grid of times to counts per tick and pod."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from analysis.counting.counts import EXACT, INEXACT, EvidenceError
from analysis.counting.cursor import Cursor, Series, in_one_layout

Counts = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class PodCounts:
    """What each pod of one version counted in each tick.

    `counts` has the shape (ticks, pods, kinds). A rate (`edges` is empty) has two kinds, exposures
    and bad units; a histogram has one per bucket, not cumulative. Tick i ends at unix time
    `ends[i]`. A pod that was not there counts 0. `canary` is the number of the canary's pods seen.
    """

    pods: tuple[str, ...]
    ends: tuple[float, ...]
    counts: Counts
    edges: tuple[float, ...] = ()
    canary: int = 0

    @property
    def exposures(self) -> Counts:
        """Units per tick and pod: (ticks, pods)."""
        return self.counts.sum(axis=-1) if self.edges else self.counts[..., 0]


@dataclass(frozen=True)
class Grid:
    """Times at which samples were taken: `ticks` steps of `step` seconds from unix time `start`."""

    start: float
    step: float
    ticks: int

    def places(self, times: Iterable[float]) -> NDArray[np.intp]:
        """Indices of times, 0 to `ticks`: (times,)."""
        found = np.rint((np.fromiter(times, dtype=np.float64) - self.start) / self.step)
        return np.asarray(found, dtype=np.intp)

    @property
    def ends(self) -> tuple[float, ...]:
        """The time, in unix seconds, at which each tick ends."""
        return tuple(self.start + self.step * (i + 1) for i in range(self.ticks))


def count(
    pods: Mapping[str, Sequence[Series]], grid: Grid, settled: int = 0, canary: int = 0
) -> PodCounts:
    """Counts per tick and pod from samples on a grid of times.

    A drop in any bucket is a reset: the new value counts in full. A series that turns up in a known
    pod is new and counts in full too (an error's first burst); the first samples of a pod, and of
    series that turn up within `settled` ticks, are only what is counted from. A sample that is
    missing or no number adds its units to the next tick.

    Args:
        pods: each pod's series, with samples at the grid's times.
        grid: the times.
        settled: ticks at the beginning in which series turn up that are not new.
        canary: the number of the canary's pods, passed on.

    Raises:
        EvidenceError: values that are no counts, or bucket layouts that differ.
    """
    pods = _alike(pods)
    layouts = {one.edges for series in pods.values() for one in series}
    if len(layouts) > 1:
        raise EvidenceError("bucket layouts differ in the past")
    edges = next(iter(layouts), ())
    total = np.zeros((grid.ticks, len(pods), len(edges) or 2), dtype=np.int64)
    for at, series in enumerate(pods.values()):
        tables = [(one, *_table(one, grid)) for one in series]
        first = min((int(where[0]) for _, where, _ in tables if where.size), default=0)
        for one, where, rows in tables:
            total[:, at] += _added(one, where, rows, max(first, settled), grid.ticks)
    return PodCounts(tuple(pods), grid.ends, total, edges, canary)


def _alike(pods: Mapping[str, Sequence[Series]]) -> Mapping[str, Sequence[Series]]:
    """Native histograms of all pods in one layout."""
    every = [one for series in pods.values() for one in series if one.samples]
    if all(one.schema is None for one in every):
        return pods
    _, laid = in_one_layout(Cursor(), every)
    rest = iter(laid)  # nothing where no bucket was ever occupied
    return {pod: list(islice(rest, sum(map(_shown, series)))) for pod, series in pods.items()}


def _shown(one: Series) -> bool:
    return bool(one.samples)


def _table(one: Series, grid: Grid) -> tuple[NDArray[np.intp], Counts]:
    """Places on the grid and counts per bucket of one series' samples that are numbers."""
    width = len(one.edges) or 1
    values = np.array([v for _, v in one.samples], dtype=np.float64).reshape(-1, width)
    known = np.isfinite(values).all(axis=1)
    rows = np.diff(_checked(values[known]), axis=1, prepend=0)
    return grid.places(at for at, _ in one.samples)[known], rows


def _added(one: Series, where: NDArray[np.intp], rows: Counts, born: int, ticks: int) -> Counts:
    """One series' units per tick, shape (ticks, kinds); counted from 0 if it turned up later."""
    if where.size and where[0] > born:
        where, rows = np.insert(where, 0, 0), np.insert(rows, 0, 0, axis=0)
    gains = np.diff(rows, axis=0)
    again = (gains < 0).any(axis=1)
    gains[again] = rows[1:][again]
    units = np.zeros((ticks, rows.shape[1]), dtype=np.int64)
    units[where[1:] - 1] = gains
    return units if one.edges else np.hstack([units, units * one.bad])


def _checked(values: NDArray[np.float64]) -> Counts:
    """Cumulative counts as integers, shape (samples, kinds)."""
    whole = np.rint(values)
    if np.abs(values - whole).max(initial=0.0) > 1e-6:
        raise EvidenceError("a sample in the past is not a whole number: this is no counter")
    if (whole < 0).any() or (np.diff(whole, axis=1) < 0).any():
        raise EvidenceError("a sample in the past is negative or no cumulative count")
    if (whole > EXACT).any():
        raise EvidenceError(f"in the past {INEXACT}")
    return np.asarray(whole, dtype=np.int64)
