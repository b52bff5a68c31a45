"""Counts many series at once where each only rises, at a pace that a process may have.

Almost every series of almost every look does. What `belief` would walk along one by one comes out
the same for these in a few operations on arrays; whatever else a series does is left to the walks.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from analysis.counting.change import LEAP, MANY, limit_pace
from analysis.counting.counts import EXACT
from analysis.counting.cursor import Arm, Cursor, Key
from analysis.counting.table import Floats, SampleTable

Flags = NDArray[np.bool_]


@dataclass(frozen=True)
class Block:
    """Series with equally many new samples: their `rows`, times (rows, n), values (rows, n, K).

    Values are cumulative over the K buckets; a plain counter has one.
    """

    rows: NDArray[np.intp]
    at: Floats
    values: Floats


@dataclass(frozen=True)
class Plain:
    """Series that only rise, in order of their keys, with their newest samples.

    `units` are what each counts per bucket, `paces` how fast, in units per second. `is_bad` tells
    counters of bad units; it is None for histograms.
    """

    keys: Sequence[Key] = ()
    at: Floats = field(default_factory=lambda: np.empty(0))
    values: Floats = field(default_factory=lambda: np.empty((0, 1)))
    units: Floats = field(default_factory=lambda: np.empty((0, 1)))
    paces: Floats = field(default_factory=lambda: np.empty(0))
    is_bad: Flags | None = None

    @cached_property
    def highest(self) -> float:
        """The highest pace of all; 0 without any."""
        return float(self.paces.max(initial=0.0))

    def find_pace_before(self, key: Key) -> float:
        """Return the highest pace of the series that come before a key."""
        return float(self.paces[: bisect_left(self.keys, key)].max(initial=0.0))

    @cached_property
    def _all(self) -> frozenset[Key]:
        return frozenset(self.keys)

    def __contains__(self, key: object) -> bool:
        return key in self._all

    def add_up(self, arm: Arm) -> tuple[int, ...]:
        """Return an arm's counts, as `Counts` has them."""
        first = bisect_left(self.keys, ("stable", ""))
        rows = slice(first) if arm == "canary" else slice(first, None)
        totals = self.units[rows].sum(axis=0)
        if self.is_bad is not None:
            totals = np.append(totals, self.units[rows][self.is_bad[rows]].sum())
        return tuple(map(int, totals.tolist()))


NOTHING = Plain()


@dataclass(frozen=True)
class Rises:
    """Blocks of series, judged: `is_plain` of all, (series,); those without new samples are, too.

    A series that is new is plain only before the baseline.
    """

    keys: Sequence[Key]
    blocks: Sequence[_Gaps]
    is_plain: Flags

    @classmethod
    def of(
        cls, cursor: Cursor, table: SampleTable, keys: Sequence[Key], blocks: Sequence[Block]
    ) -> Rises:
        """Judge series; `keys` are in order, and a block's rows are places in it."""
        gaps = [_Gaps.of(cursor, table, keys, block) for block in blocks]
        highest = max((float(b.paces[b.is_rise].max(initial=0.0)) for b in gaps), default=0.0)
        pace = limit_pace(cursor.pace, highest)
        is_plain = np.ones(len(keys), dtype=np.bool_)
        for block in gaps:
            is_plain[block.rows] = block.is_rise & ~block.has_leap(np.full(len(block.rows), pace))
        return cls(keys, gaps, is_plain)

    def count(self, is_left_out: Flags, is_bad: Flags | None) -> Plain:
        """Count the series that are plain, have new samples and are not left out.

        The flags are of all series, (series,); `is_bad` as in `Plain`.
        """
        if not self.blocks:
            return NOTHING
        rows = np.concatenate([gaps.rows for gaps in self.blocks])
        at, values, units, paces = (
            np.concatenate([getattr(gaps, name) for gaps in self.blocks])
            for name in ("newest", "values", "units", "paces")
        )
        order = np.argsort(rows)
        order = order[(self.is_plain & ~is_left_out)[rows[order]]]
        names = [self.keys[row] for row in rows[order].tolist()]
        bad = None if is_bad is None else is_bad[rows[order]]
        return Plain(names, at[order], values[order], units[order], paces[order], bad)


@dataclass(frozen=True)
class _Gaps:
    """A block's gaps: what was served in each, `gains` and `seconds` (rows, gaps)."""

    rows: NDArray[np.intp]
    gains: Floats
    seconds: Floats
    newest: Floats
    values: Floats
    units: Floats
    is_rise: Flags

    @classmethod
    def of(cls, cursor: Cursor, table: SampleTable, keys: Sequence[Key], block: Block) -> _Gaps:
        places = table.find_rows([keys[row] for row in block.rows.tolist()])
        is_old = places >= 0
        # A series that is new stands at its first sample: there it has a gap of no time.
        last_at, last = block.at[:, 0].copy(), block.values[:, 0].copy()
        last_at[is_old], last[is_old] = table.at[places[is_old]], table.values_at[places[is_old]]
        at = np.concatenate([last_at[:, None], block.at], axis=1)
        values = np.concatenate([last[:, None], block.values], axis=1)
        gaps = cls(
            block.rows,
            np.diff(values[:, :, -1], axis=1),
            np.diff(at, axis=1),
            at[:, -1],
            values[:, -1],
            np.diff(values[:, -1] - values[:, 0], axis=1, prepend=0),
            _only_rise(values) & (is_old | (not cursor.started)),
        )
        usual = np.full(len(places), cursor.pace) if cursor.pace else gaps.find_slowest()
        return replace(gaps, is_rise=gaps.is_rise & ~gaps.has_leap(usual))

    @cached_property
    def paces(self) -> Floats:
        seconds, gains = self.seconds.sum(axis=1), self.gains.sum(axis=1)
        none = np.zeros(len(seconds))
        paces: Floats = np.divide(gains, seconds, out=none, where=seconds > 0)
        return paces

    def find_slowest(self) -> Floats:
        """Return the lowest pace of each series' gaps, (rows,), as `change.find_slowest` has it."""
        moves = (self.seconds > 0) & (self.gains > 0)
        rates = np.divide(self.gains, self.seconds, out=np.full(moves.shape, np.inf), where=moves)
        slowest = np.asarray(rates.min(axis=1, initial=np.inf), dtype=np.float64)
        return np.where(np.isfinite(slowest), slowest, 0.0)

    def has_leap(self, pace: Floats) -> Flags:
        """Return whether any gap is a leap by a pace, (rows,), as `change.is_leap` has it."""
        bounds = MANY + LEAP * pace[:, None] * self.seconds
        return np.asarray(((self.gains > bounds) & (pace[:, None] > 0)).any(axis=1))


def are_counts(values: Floats) -> Flags:
    """Return which series hold cumulative counts, (rows, samples, buckets), in every sample."""
    with np.errstate(invalid="ignore"):
        is_count = (values == np.rint(values)) & (values >= 0) & (values <= EXACT)
        is_cumulative = np.diff(values, axis=2) >= 0
    flags: Flags = is_count.all(axis=(1, 2)) & is_cumulative.all(axis=(1, 2))
    return flags


def _only_rise(values: Floats) -> Flags:
    """Return which series hold cumulative counts, (rows, samples, buckets), that never fall."""
    with np.errstate(invalid="ignore"):
        rises = np.diff(np.diff(values, axis=1), axis=2, prepend=0) >= 0
    flags: Flags = are_counts(values) & rises.all(axis=(1, 2))
    return flags
