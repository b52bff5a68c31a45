"""Drops the raw samples that counting does not need."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from itertools import pairwise

from analysis.counting.change import SETTLED, is_leap
from analysis.counting.cursor import Key, Sample, Series, buckets, check, dropped, within
from analysis.counting.origin import Origins, series_id
from analysis.counting.siblings import Point
from analysis.fast_replace import replace

_FEW = 3  # samples, of which none lies between others


def compress_all(
    series: Sequence[Series], origins: Origins, pace: float, owing: Collection[Key] = ()
) -> list[Series]:
    """Thin each series to the samples that counting needs, given what is known of its restarts
    and the `pace` of the metric's series so far, in units per second (0 if unknown).

    Where a series falls, what it and the others of its target show right after it is needed too.
    Of a sum over processes that fell, now or before (`owing`), each gap is: it may bring back what
    was lost.
    Raises EvidenceError, as `compress` does.
    """
    counts = [_read_counts(entry.samples) for entry in series]
    times: dict[str, set[float]] = defaultdict(set)
    own: list[set[float]] = []
    for entry, points in zip(series, counts, strict=True):
        falls = set(_iterate_falls(points))
        if falls and entry.is_sum:
            falls.update(at for at, _ in points if at >= min(falls))
        own.append(times[entry.process] if entry.process else falls)
        own[-1].update(falls)
    return [
        entry
        if len(entry.samples) < _FEW or (entry.arm, entry.key) in owing
        else replace(
            entry, samples=_thin(entry.samples, points, _list_zeros(entry, origins), pace, at)
        )
        for entry, points, at in zip(series, counts, own, strict=True)
    ]


def _list_zeros(series: Series, origins: Origins) -> tuple[float, ...]:
    origin = origins.get(series_id(series.arm, series.key))
    return origin.zeros if origin else ()


def compress(
    samples: Sequence[Sample], moments: Collection[float] = (), pace: float = 0.0
) -> tuple[Sample, ...]:
    """Keep the first sample, the last one, both sides of each fall and of a gap that may be a leap,
    and the samples right after a fall.

    `moments`, in unix seconds, are restarts of the process that need not show as falls, `pace` is
    the units per second of the metric's series so far.

    `advance` counts the same from any cursor without the other samples, because the differences
    along a run without a reset add up to the difference of its ends. Raises EvidenceError.
    """
    counts = _read_counts(samples)
    return _thin(samples, counts, moments, pace, set(_iterate_falls(counts)))


def _read_counts(samples: Sequence[Sample]) -> list[Point]:
    return [(at, buckets(check(values))) for at, values in samples]


def _iterate_falls(counts: Sequence[Point]) -> Iterator[float]:
    """Yield the times of the samples before a fall, after it, and of those by which it is judged.

    One more than the judge asks for: he counts them by time, and scrapes may come late.
    """
    for i, ((_, before), (_, after)) in enumerate(pairwise(counts)):
        if dropped(before, after):
            yield from (at for at, _ in counts[i : i + SETTLED + 3])


def _thin(
    samples: Sequence[Sample],
    counts: Sequence[Point],
    moments: Collection[float],
    pace: float,
    times: Collection[float],
) -> tuple[Sample, ...]:
    """Keep what `compress` says, and the samples of some times."""
    if len(samples) < _FEW:
        return tuple(samples)
    keep = {0, len(samples) - 1}
    for i, ((start, _), (end, _)) in enumerate(pairwise(counts)):
        if within(moments, start, end):
            keep |= {i, i + 1}
    if times:
        keep |= {i for i, (at, _) in enumerate(counts) if at in times}
    keep |= _find_leaps(counts, pace)
    return tuple(samples[i] for i in sorted(keep))


def _find_leaps(counts: Sequence[tuple[float, tuple[int, ...]]], pace: float) -> set[int]:
    """Return both sides of each gap that may be a leap, by the pace so far or the slowest gap.

    That gap is needed too: what the series may serve is learnt from it. So is the sample after a
    leap, which tells how far apart scrapes are.
    """
    gains = [
        (sum(after) - sum(before), end - start)
        for (start, before), (end, after) in pairwise(counts)
    ]
    paces = [units / seconds for units, seconds in gains]
    usual = pace or max(min(paces), 1e-9)
    leaps = {i for i, (units, seconds) in enumerate(gains) if is_leap(units, seconds, usual)}
    if leaps and not pace:
        leaps.add(min(range(len(gains)), key=lambda i: (paces[i] <= 0, paces[i])))
    last = len(gains)
    return {min(i + more, last) for i in leaps for more in (0, 1, 2)}
