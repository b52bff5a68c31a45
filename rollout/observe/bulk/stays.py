"""When series of a large answer were there: which came back, and which were there only meanwhile.

It finds all that `moves` may have to judge, by times alone.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rollout.observe.bulk.layout import Flags, Positions
from rollout.observe.bulk.samples import Floats, Samples
from rollout.observe.targets.moves import BREAK, MISSED


@dataclass(frozen=True)
class Gaps:
    """Series that missed scrapes: their rows, and between which of their samples."""

    rows: Positions
    starts: Floats
    ends: Floats


@dataclass(frozen=True)
class Stays:
    """From when to when each series is there, (series,), and its gaps.

    `last` is the time of its last counted sample, and `absent` has those of series without any.
    """

    first: Floats
    end: Floats
    last: Floats
    gaps: Gaps
    absent: Floats

    @classmethod
    def of(
        cls, samples: Samples, places: Positions, last: Floats, absent: Floats, scrape: float
    ) -> Stays:
        """Read the times of one bucket of each series."""
        rows = places.max(axis=1)
        there = np.flatnonzero((rows >= 0) & (samples.numbers[rows] > 0))
        own, count = rows[there], np.full(len(rows), np.inf)
        first, end = count.copy(), count.copy()
        first[there] = samples.at[samples.ends[own] - samples.numbers[own]]
        end[there] = samples.at[samples.ends[own] - 1]
        return cls(first, end, last, _list_gaps(samples, there, own, last, scrape), absent)

    def find_involved(self, scrape: float) -> Flags:
        """Return which series came back after another one's stay, and which had such a stay."""
        gaps, involved = self.gaps, np.zeros(len(self.first), dtype=np.bool_)
        is_new = gaps.ends > self.last[gaps.rows]
        pairs = zip(gaps.starts[is_new].tolist(), gaps.ends[is_new].tolist(), strict=True)
        first, end = self.first[gaps.rows], self.end[gaps.rows]
        several = np.bincount(gaps.rows, minlength=len(self.first))[gaps.rows] > 1
        for start, until in {*pairs}:
            stays = (self.first > start) & (self.end < until)
            is_own = (gaps.starts == start) & (gaps.ends == until)
            is_other = (first <= start) & (start < gaps.starts + MISSED * scrape)
            if several[is_own].any():  # the stay before this gap may have begun after the other's
                is_other &= gaps.starts >= start
            after = (gaps.ends > start) & (end < until) & ~is_other
            before = (first > start) & (gaps.starts < until)
            stays[gaps.rows[after | before | several]] = True
            if stays.any() or ((self.absent > start) & (self.absent < until)).any():
                involved |= stays
                involved[gaps.rows[is_own]] = True
        return involved


def _list_gaps(
    samples: Samples, there: Positions, own: Positions, last: Floats, scrape: float
) -> Gaps:
    """Return the gaps in which the series `there` missed scrapes; `own` are their rows."""
    series_of = np.full(len(samples.ends), -1, dtype=np.intp)
    series_of[own] = there
    places = np.flatnonzero(np.diff(samples.at) > BREAK * scrape)
    row = np.searchsorted(samples.ends, places, side="right")
    is_inner = (places + 1 < samples.ends[row]) & (series_of[row] >= 0)
    places, row = places[is_inner], row[is_inner]
    # The last counted sample may lie before those of the answer.
    firsts = samples.at[samples.ends[own] - samples.numbers[own]]
    is_after = np.isfinite(last[there]) & (firsts - last[there] > BREAK * scrape)
    return Gaps(
        np.concatenate([series_of[row], there[is_after]]),
        np.concatenate([samples.at[places], last[there][is_after]]),
        np.concatenate([samples.at[places + 1], firsts[is_after]]),
    )
