"""Series that may be one counter under several names, because its target was renamed.

The process goes on under another name, and counts from its first sample there. Where it gets the
old name back, that series has risen by all that was counted under the other one. So a series that
comes back after another one of its version that was there only meanwhile is a baseline, and so is a
new one that another may go on as, unless what each of them shows makes it impossible.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain, pairwise
from operator import le
from typing import TYPE_CHECKING

from analysis.counting.cursor import Key, Sample, Series
from rollout.observe.targets.processes import read_process

if TYPE_CHECKING:
    from rollout.observe.evidence import RawPart

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

    @property
    def end(self) -> float:
        """The time of its last sample."""
        return self.last[0]

    def is_within(self, start: float, end: float, scrape: float) -> bool:
        """Whether it lies between two scrapes of a series, and so may be that one meanwhile.

        One that was there when that one was last scraped, or went away with it, as in an outage, is
        another.
        """
        is_other = self.before is not None and (
            self.before[0] <= start < self.before[1] + MISSED * scrape
        )
        return start < self.first and self.end < end and not is_other


def list_times(raw: RawPart, entry: Series) -> list[float]:
    """Return the times of a series' last counted sample and of all newer ones."""
    last = raw.query_part.cursor.last.get((entry.arm, entry.key))
    newer = [at for at, _ in entry.samples if last is None or at > last[0]]
    return newer if last is None else [last[0], *newer]


def list_returns(raw: RawPart, entry: Series) -> list[float]:
    """Return when a series came back that another one may have been meanwhile."""
    times, values, scrape = list_times(raw, entry), dict(entry.samples), raw.query_part.scrape
    gaps = [(start, end) for start, end in pairwise(times) if end - start > BREAK * scrape]
    return [
        end
        for start, end in gaps
        if any(
            stay.is_within(start, end, scrape) and _may_become(stay.last, values[end])
            for stay in _list_stays(raw, entry)
            if stay.key not in raw.silent  # its samples before the last one tell that it is none
        )
    ]


def is_moved(raw: RawPart, entry: Series, zero: float) -> bool:
    """Whether a new series, which was not there at `zero`, may be another one that ended since.

    One that is like it but for the labels of processes may have ended just before.
    """
    first, values = entry.samples[0]
    newest = max(raw.newest, *(single.samples[-1][0] for single in raw.series))
    since = newest - MISSED * raw.query_part.scrape
    return any(
        zero <= stay.end < first
        and _may_become(stay.last, values)
        and (stay.end <= since or _are_alike(raw, stay.key, entry))
        for stay in chain(_list_stays(raw, entry), _list_plain(raw, entry))
    )


def _list_plain(raw: RawPart, entry: Series) -> Iterator[Stay]:
    """Yield the last samples of the series that only rise, of the same version."""
    for key, at, values in zip(raw.plain.keys, raw.plain.at, raw.plain.values, strict=True):
        if key[0] == entry.arm:
            yield Stay(key, float(at), (float(at), tuple(values.tolist())))


def _list_stays(raw: RawPart, entry: Series) -> Iterator[Stay]:
    """Yield when the other series of the same version were there."""
    listed = set()
    for other in raw.series:
        key = other.arm, other.key
        listed.add(key)
        if other.arm == entry.arm and other.key != entry.key:
            yield from _split(other, BREAK * raw.query_part.scrape)
    last = raw.query_part.cursor.last
    for key in last:
        if key[0] == entry.arm and key not in listed and key not in raw.plain:
            yield Stay(key, last[key][0], last[key])


def _split(series: Series, longest: float) -> Iterator[Stay]:
    """Yield the stays of a series: no gap in them is longer, in seconds."""
    first, before = series.samples[0][0] if series.samples else 0.0, None
    for sample, after in pairwise([*series.samples, (math.inf, ())]):
        if after[0] - sample[0] > longest:
            yield Stay((series.arm, series.key), first, sample, before)
            first, before = after[0], (first, sample[0])


def _may_become(sample: Sample, values: tuple[float, ...]) -> bool:
    """Whether a counter may go on from a sample, of more than 0, to these cumulative counts."""
    _, before = sample
    return before[-1] > 0 and len(before) == len(values) and all(map(le, before, values))


def _are_alike(raw: RawPart, key: Key, entry: Series) -> bool:
    """Whether two series differ only in labels that name a process."""
    own, other = raw.labels[entry.arm, entry.key], raw.labels.get(key, {})
    names = {name for labels in (own, other) for name, _ in read_process(labels)}
    return {**own, **dict.fromkeys(names)} == {**other, **dict.fromkeys(names)}
