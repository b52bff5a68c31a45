"""Native histograms: exponential buckets, merged exactly into one layout that both arms share.

A boundary of schema s is 2^(i / 2^s) for whole i, so every second boundary of a schema is one of
the next coarser schema: merging downwards loses nothing (Prometheus, native histograms
specification). Boundaries are written as their exponents i / 2^s, which are exact and mean the same
in every schema.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from analysis.counting.counts import EvidenceError

FINEST = 8
"""The finest schema that Prometheus knows; what has shown no bucket yet allows any."""

MOST = 256
"""Buckets of a grid at most: its schema is coarser than the data's where that is needed."""

_LOWEST, _HIGHEST = -1022, 1023  # octaves of ordinary floating-point numbers
_DOWN, _UP = 1, 3  # octaves beyond the first data, within which a grid still tells buckets apart


@dataclass(frozen=True)
class Native:
    """What one series shows: cumulative counts at the boundaries around its occupied buckets.

    `exponents` rise and end with infinity; each row of `values` has one count for each of them.
    Counts at the first one are of what lies somewhere below it (zero, negative values).
    """

    schema: int
    exponents: tuple[float, ...]
    values: tuple[tuple[float, ...], ...]

    @property
    def least(self) -> float:
        """The lowest exponent at which the count is known."""
        below = any(row[0] for row in self.values)
        return self.exponents[0] if below else -math.inf

    @property
    def span(self) -> tuple[float, float] | None:
        """Exponents of the occupied buckets' lower and upper end; None without any."""
        finite = self.exponents[:-1]
        still = [all(row[i] == row[0] for row in self.values) for i in range(len(finite))]
        if all(still):
            return None
        return finite[still.index(False) - 1], finite[-1]


@dataclass(frozen=True)
class Grid:
    """Buckets that stay for a rollout: boundaries from 2^low to 2^high, both ends open."""

    schema: int
    low: int
    high: int

    @property
    def exponents(self) -> tuple[float, ...]:
        """Exponents of every boundary, and infinity."""
        size = 2**self.schema
        return (*(i / size for i in range(self.low * size, self.high * size + 1)), math.inf)

    @property
    def edges(self) -> tuple[float, ...]:
        """The boundaries themselves, as a histogram's upper edges."""
        return tuple(2.0**exponent for exponent in self.exponents)


def common(grid: Grid | None, found: Sequence[Native]) -> Grid | None:
    """A grid on which every one of these counts exactly; coarser than `grid` only where it must be.

    Without one, from the range of the data; None as long as no bucket is occupied. Raises
    EvidenceError where no useful grid exists.
    """
    schema = min([FINEST, *(one.schema for one in found)])
    if schema < 0:
        raise EvidenceError("native buckets are wider than a factor of two: use a finer schema")
    grid = grid or _first(schema, [one.span for one in found if one.span])
    if grid is None:
        return None
    low = max([float(grid.low), *(math.ceil(one.least) for one in found if one.least > grid.low)])
    if low >= grid.high:
        raise EvidenceError("the zero bucket of a native histogram holds nearly all its values")
    return Grid(min(grid.schema, schema), int(low), grid.high)


def _first(schema: int, spans: Sequence[tuple[float, float]]) -> Grid | None:
    """Whole octaves around the data, in the finest schema with few enough buckets."""
    if not spans:
        return None
    low = max(_LOWEST, math.floor(min(start for start, _ in spans)) - _DOWN)
    high = min(_HIGHEST, math.ceil(max(end for _, end in spans)) + _UP)
    fitting = [s for s in range(schema + 1) if (high - low) * 2**s <= MOST]
    if not fitting:
        raise EvidenceError("the values of a native histogram spread too far")
    return Grid(max(fitting), low, high)


def on_grid(
    exponents: Sequence[float], values: Iterable[Sequence[float]], wanted: Sequence[float]
) -> list[tuple[float, ...]]:
    """Cumulative counts at other boundaries, for each row of `values`.

    Rows are counts at `exponents`, the result at `wanted` ones. Exact where no occupied bucket has
    a wanted boundary inside.
    """
    places = [bisect_right(exponents, exponent) for exponent in wanted]
    return [tuple(row[place - 1] if place else 0.0 for place in places) for row in values]


def merged(
    counts: Sequence[int], edges: Sequence[float], wanted: Sequence[float]
) -> tuple[int, ...]:
    """Counts per bucket of a layout, in a `wanted` one whose edges are among its own."""
    found, total = [], 0
    kept = set(wanted)
    for count, edge in zip(counts, edges, strict=True):
        total += count
        if edge in kept:
            found.append(total)
            total = 0
    return tuple(found)
