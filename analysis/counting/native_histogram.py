"""Native histograms: exponential buckets, merged exactly into one layout for both arms.

A boundary of schema s is 2^(i / 2^s) for whole i, so every second boundary of a schema is also one
of the next coarser schema, and merging to a coarser schema is exact (Prometheus, native histograms
specification). Boundaries are stored as their exponents i / 2^s, which are exact floats and mean
the same in every schema.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from analysis.counting.counts import EvidenceError

FINEST = 8
"""The finest schema of Prometheus; a histogram without occupied buckets allows any schema."""

MOST = 256
"""Largest number of buckets of a grid; where needed, its schema is coarser than the data's."""

_LOWEST, _HIGHEST = -1022, 1023  # octaves of normal (not subnormal) float64 numbers
_DOWN, _UP = 1, 3  # octaves of resolved buckets below and above the first data


@dataclass(frozen=True)
class Native:
    """One series' cumulative counts at the boundaries around its occupied buckets.

    `exponents` increase and end with infinity; each row of `values` has one count for each of them.
    The count at the first exponent covers all that lies below it, zero and negative values too.
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
        # True while no row has units between the first boundary and this one.
        still = [all(row[i] == row[0] for row in self.values) for i in range(len(finite))]
        if all(still):
            return None
        return finite[still.index(False) - 1], finite[-1]


@dataclass(frozen=True)
class Grid:
    """A rollout's fixed buckets: boundaries from 2^low to 2^high, both ends open."""

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


def common(grid: Grid | None, histograms: Sequence[Native]) -> Grid | None:
    """Find a grid that counts every histogram exactly, no coarser than `grid` unless needed.

    Without a `grid`, the range of the data determines it; None while no bucket is occupied. Raises
    EvidenceError where no useful grid exists.
    """
    schema = min([FINEST, *(histogram.schema for histogram in histograms)])
    if schema < 0:
        raise EvidenceError("native buckets are wider than a factor of two: use a finer schema")
    grid = grid or _choose_first_grid(
        schema, [histogram.span for histogram in histograms if histogram.span]
    )
    if grid is None:
        return None
    # Below `least` a histogram's counts are lumped together: a lower boundary would split them.
    low = max(
        [
            float(grid.low),
            *(math.ceil(histogram.least) for histogram in histograms if histogram.least > grid.low),
        ]
    )
    if low >= grid.high:
        raise EvidenceError("the zero bucket of a native histogram holds nearly all its values")
    return Grid(min(grid.schema, schema), int(low), grid.high)


def _choose_first_grid(schema: int, spans: Sequence[tuple[float, float]]) -> Grid | None:
    """Choose whole octaves around the data, in the finest schema within `MOST` buckets."""
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
    """Convert each row of cumulative counts at `exponents` to counts at `wanted` ones.

    The result is exact where no wanted boundary lies inside an occupied bucket.
    """
    positions = [bisect_right(exponents, exponent) for exponent in wanted]
    return [
        tuple(row[position - 1] if position else 0.0 for position in positions) for row in values
    ]


def merged(
    counts: Sequence[int], edges: Sequence[float], wanted: Sequence[float]
) -> tuple[int, ...]:
    """Merge counts per bucket into a coarser layout, whose `wanted` edges are all in `edges`."""
    counts_merged, total = [], 0
    wanted_edges = set(wanted)
    for count, edge in zip(counts, edges, strict=True):
        total += count
        if edge in wanted_edges:
            counts_merged.append(total)
            total = 0
    return tuple(counts_merged)
