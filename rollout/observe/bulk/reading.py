"""Reads a guardrail's series from a large answer: those that only rise, and which remain.

A series that is new, missing, half there, falls or leaps remains, to be read and judged by itself,
and so do all series of its target: they are evidence on it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from analysis.counting.cursor import Cursor, Key
from analysis.counting.plain import Block, Plain, Rises
from analysis.counting.table import SampleTable
from rollout.observe.bulk.catalogue import BulkAnswer
from rollout.observe.bulk.layout import Positions, Shape
from rollout.observe.bulk.samples import Samples, read_samples
from rollout.observe.bulk.stays import Stays
from rollout.observe.bulk.whole import WholeSeries, read_whole
from rollout.observe.query import QueryPart

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class BulkPart:
    """What a guardrail's series are: counted already (`plain`), or to be judged one by one.

    Of the latter some are read already (`whole`), others not (`remaining` rows). `cursor` has its
    samples as a table. `newest` is the time of the newest sample of all, `processes` has the
    scraped targets of all. `silent` are counted series without a new sample, none of which may be a
    series that came back.
    """

    plain: Plain
    whole: WholeSeries
    remaining: Positions
    cursor: Cursor
    newest: float
    processes: Mapping[Key, str]
    silent: frozenset[Key]


def read_bulk(
    query_part: QueryPart, answer: BulkAnswer, positions: Positions, shape: Shape
) -> BulkPart | None:
    """Return the guardrail's series; None where they must be read one by one."""
    samples, cursor = read_samples(answer, positions), query_part.cursor
    is_other = bool(cursor.last) and cursor.edges != shape.edges
    if samples is None or not len(samples.at) or is_other or cursor.grid is not None:
        return None
    table = SampleTable.of(cursor.last, shape.width)
    cursor = replace(cursor, last=table, edges=shape.edges)
    reader = _Reader(query_part, cursor, table, shape, samples, answer, positions)
    try:
        return reader.read()
    except (TypeError, ValueError):
        return None


@dataclass
class _Reader:
    query_part: QueryPart
    cursor: Cursor
    table: SampleTable
    shape: Shape
    samples: Samples
    answer: BulkAnswer
    positions: Positions

    def read(self) -> BulkPart:
        """Return what is counted, and what remains of these positions."""
        shape, samples, ids = self.shape, self.samples, self.answer.ids[self.positions]
        self.row, self.places = shape.row_of[ids], shape.find_places(ids)
        is_there = self.places >= 0
        self.is_present, is_whole = np.zeros(len(shape.keys), dtype=np.bool_), is_there.all(axis=1)
        self.is_present[self.row] = True
        self._find_last()
        counts = samples.count_newer(self.since[self.row])
        self.newer = np.where(is_there, counts[self.places], 0)
        is_even = self.newer.min(axis=1) == self.newer.max(axis=1)
        self.remains = shape.is_odd | ~(is_whole & is_even) | self.is_new
        self.remains[self.row[samples.find_unordered()]] = True
        self._leave_doubted()
        blocks = self._list_blocks()
        rises = Rises.of(self.cursor, self.table, shape.keys, blocks)
        self.remains |= ~rises.is_plain | samples.are_alike(shape, self.places)
        self.remains &= self.is_present
        self._leave_returned()
        self._leave_targets(blocks)
        plain = rises.count(self.remains, shape.is_bad)
        whole, is_whole = read_whole(self.answer, self.positions, samples, shape, self.remains)
        remaining = self.positions[(self.remains & ~is_whole)[self.row]]
        is_silent = self.is_present & ~self.remains & (self.newer[:, 0] == 0)
        silent = frozenset([shape.keys[row] for row in np.flatnonzero(is_silent).tolist()])
        newest = float(samples.at.max())
        return BulkPart(plain, whole, remaining, self.cursor, newest, shape.processes, silent)

    def _find_last(self) -> None:
        """Find the time of each series' last counted sample, and from when samples count."""
        rows = self.table.find_rows(self.shape.keys)
        is_old = rows >= 0
        self.last = np.full(len(rows), -np.inf)
        self.last[is_old] = self.table.at[rows[is_old]]
        self.is_new = ~is_old & self.cursor.started
        since = self.query_part.since
        cutoff = -np.inf if since is None else since - self.query_part.scrape - self.query_part.lag
        self.since = np.maximum(self.last, cutoff)

    def _leave_doubted(self) -> None:
        if self.cursor.doubted:
            doubted = self.cursor.doubted
            self.remains |= np.fromiter((key in doubted for key in self.shape.keys), np.bool_)

    def _list_blocks(self) -> list[Block]:
        """Return the series by their number of new samples; whose buckets differ in time remain."""
        samples, blocks = self.samples, []
        newer = self.newer[:, 0]
        for number in np.unique(newer[~self.remains]).tolist():
            if not number:
                continue
            rows = np.flatnonzero(~self.remains & (newer == number))
            index = samples.ends[self.places[rows]][:, :, None] - number + np.arange(number)
            at = samples.at[index]
            is_one = (at == at[:, :1]).all(axis=(1, 2))
            self.remains[rows[~is_one]] = True
            values = samples.read(index[is_one]).transpose(0, 2, 1)
            blocks.append(Block(rows[is_one], at[is_one, 0], values))
        return blocks

    def _leave_returned(self) -> None:
        """Leave what came back while another series was there only meanwhile, with that one."""
        scrape, absent = self.query_part.scrape, self._list_absent()
        stays = Stays.of(self.samples, self.places, self.last, absent, scrape)
        if len(stays.gaps.rows):
            self.remains |= stays.find_involved(scrape) & self.is_present

    def _list_absent(self) -> Floats:
        """Return the times of the last samples of the counted series that the answer lacks."""
        rows = self.table.find_rows(self.shape.keys)
        return np.delete(self.table.at, rows[(rows >= 0) & self.is_present])

    def _leave_targets(self, blocks: Sequence[Block]) -> None:
        """Leave every series of a target of which one remains, or whose series differ in time."""
        target, times = self.shape.target, np.zeros((4, len(self.shape.keys)))
        times[0] = self.last
        for block in blocks:
            times[1:, block.rows] = block.at[:, 0], block.at[:, -1], block.at.sum(axis=1)
        number = int(target.max(initial=0)) + 1
        there = np.flatnonzero(self.is_present)
        is_left = np.zeros(number, dtype=np.bool_)
        for row in times:
            least, most = np.full(number, np.inf), np.full(number, -np.inf)
            np.minimum.at(least, target[there], row[there])
            np.maximum.at(most, target[there], row[there])
            is_left |= least < most
        is_left[target[~self.shape.has_target]] = False  # no target can have missed a scrape
        is_left[target[self.remains]] = True
        self.remains |= is_left[target] & self.is_present
