"""Series that may be one counter under several names, because its target was renamed.

The process goes on under another name, and counts from its first sample there. Where it gets the
old name back, that series has risen by all that was counted under the other one. So a series that
comes back after another one of its version that was there only meanwhile is a baseline, and so is a
new one that another may go on as, unless what each of them shows makes it impossible.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from analysis.counting.cursor import Arm, Key, Sample, Series

if TYPE_CHECKING:
    from rollout.observe.evidence import RawPart

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

BREAK = 1.5
"""Scrapes between two samples, from which one is missing."""

MISSED = 0.98
"""Scrapes after its newest sample a series has missed one."""


@dataclass(frozen=True)
class Stay:
    """Scrapes of a series without a break: the first and the last.

    `before` are the first and the last time of the stay before it, if that is known.
    """

    key: Key
    first: float
    last: Sample
    before: tuple[float, float] | None = None


def list_times(raw: RawPart, entry: Series) -> list[float]:
    """Return the times of a series' last counted sample and of all newer ones."""
    last = raw.query_part.cursor.last.get((entry.arm, entry.key))
    newer = [at for at, _ in entry.samples if last is None or at > last[0]]
    return newer if last is None else [last[0], *newer]


@dataclass(frozen=True)
class StayTable:
    """Stays of many series of one version, in arrays, because each is held against many others.

    Times in unix seconds, (stays,); `values` are the cumulative counts of the last samples,
    (stays, K). `before` are the stays before, (stays, 2); NaN where there is none that is known.
    """

    keys: Sequence[Key]
    first: Floats
    end: Floats
    before: Floats
    values: Floats

    @classmethod
    def of(cls, stays: Iterable[Stay]) -> StayTables:
        """Return the tables of stays, by the version of their series and its number of buckets."""
        groups: dict[tuple[Arm, int], list[Stay]] = defaultdict(list)
        for stay in stays:
            groups[stay.key[0], len(stay.last[1])].append(stay)
        return {
            layout: cls(
                [stay.key for stay in group],
                np.array([stay.first for stay in group]),
                np.array([stay.last[0] for stay in group]),
                np.array([stay.before or (math.nan, math.nan) for stay in group]),
                np.array([stay.last[1] for stay in group]),
            )
            for layout, group in groups.items()
        }

    def are_within(self, start: float, end: float, scrape: float, first: float) -> Flags:
        """Return which lie between two scrapes of a series, and so may be that one meanwhile.

        One that was there when that one was last scraped, or went away with it, as in an outage, is
        another, unless it had ended when that one's own stay began, at `first`.
        """
        is_other = (self.before[:, 0] <= start) & (start < self.before[:, 1] + MISSED * scrape)
        is_other &= self.before[:, 1] >= first
        return (start < self.first) & (self.end < end) & ~is_other

    def may_become(self, rows: NDArray[np.intp], values: Sequence[float]) -> Flags:
        """Return from which of these rows a counter of more than 0 may go on to these counts."""
        before = self.values[rows]
        is_lower: Flags = np.logical_and.reduce(before <= np.asarray(values), axis=1)
        return is_lower & (before[:, -1] > 0)


StayTables = Mapping[tuple[Arm, int], StayTable]
"""Tables by version and number of buckets: no counter goes on as one of another layout."""


def list_returns(raw: RawPart, entry: Series) -> list[float]:
    """Return when a series came back that another one may have been meanwhile."""
    times, scrape = list_times(raw, entry), raw.query_part.scrape
    gaps = _list_gaps(times, scrape)
    if not gaps:
        return []
    values, returns = dict(entry.samples), list[float]()
    began = [end for _, end in _list_gaps(sorted({*times, *values}), scrape)]
    for start, end in gaps:
        table = raw.stays.get((entry.arm, len(values[end])))
        if table is None:
            continue
        first = max((at for at in began if at <= start), default=-math.inf)
        rows = np.flatnonzero(table.are_within(start, end, scrape, first))
        rows = rows[table.may_become(rows, values[end])]
        # A silent one is none: its samples before the last one tell.
        if any(table.keys[row] not in raw.silent for row in rows.tolist()):
            returns.append(end)
    return returns


def _list_gaps(times: Iterable[float], scrape: float) -> list[tuple[float, float]]:
    """Return between which of these times, in their order, scrapes were missed."""
    return [(start, end) for start, end in pairwise(times) if end - start > BREAK * scrape]


def is_moved(raw: RawPart, entry: Series, zero: float) -> bool:
    """Whether a new series, which was not there at `zero`, may be another one that ended since.

    One that is like it but for the labels of processes may have ended just before. One that is
    there again beside the new one, in the same process, was away together with it.
    """
    first, values = entry.samples[0]
    since = raw.newest_of_all - MISSED * raw.query_part.scrape
    for tables in (raw.stays, raw.plain_stays):
        table = tables.get((entry.arm, len(values)))
        if table is None:
            continue
        rows = np.flatnonzero((zero <= table.end) & (table.end < first))
        numbers, own = raw.number_traits(table), raw.number_of_traits((entry.arm, entry.key))
        rows = rows[(table.end[rows] <= since) | (numbers[rows] == own)]
        likely = rows[table.may_become(rows, values)].tolist()
        if any(not raw.is_beside(table.keys[row], entry) for row in likely):
            return True
    return False


def find_plain_stays(raw: RawPart) -> StayTables:
    """Return the last samples of the series that only rise, as stays of which no start is known."""
    plain, tables = raw.plain, dict[tuple[Arm, int], StayTable]()
    arms: tuple[Arm, ...] = ("canary", "stable")
    for arm in arms:
        rows = [row for row, key in enumerate(plain.keys) if key[0] == arm]
        keys, at, values = [plain.keys[row] for row in rows], plain.at[rows], plain.values[rows]
        before = np.full((len(rows), 2), math.nan)
        tables[arm, values.shape[1]] = StayTable(keys, at, at, before, values)
    return tables


def find_stays(raw: RawPart) -> StayTables:
    """Return when the series that do not only rise were there."""
    listed = {(entry.arm, entry.key) for entry in raw.series}
    stays = [stay for entry in raw.series for stay in _split(entry, BREAK * raw.query_part.scrape)]
    last = raw.query_part.cursor.last
    for key in last:
        if key not in listed and key not in raw.plain:
            sample = last[key]
            stays.append(Stay(key, sample[0], sample))
    return StayTable.of(stays)


def _split(series: Series, longest: float) -> Iterator[Stay]:
    """Yield the stays of a series: no gap in them is longer, in seconds."""
    first, before = series.samples[0][0] if series.samples else 0.0, None
    for sample, after in pairwise([*series.samples, (math.inf, ())]):
        if after[0] - sample[0] > longest:
            yield Stay((series.arm, series.key), first, sample, before)
            first, before = after[0], (first, sample[0])
