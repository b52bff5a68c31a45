"""Drops the raw samples that counting does not need."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from itertools import pairwise

from analysis.counting.change import is_leap
from analysis.counting.cursor import Sample, Series, buckets, check, dropped, within
from analysis.counting.origin import Origins, series_id


def compress_all(series: Sequence[Series], origins: Origins, pace: float) -> list[Series]:
    """Thin each series to the samples that counting needs, given what is known of its restarts
    and the `pace` of the metric's series so far, in units per second (0 if unknown).

    Raises EvidenceError, as `compress` does.
    """
    return [
        replace(entry, samples=compress(entry.samples, _list_zeros(entry, origins), pace))
        for entry in series
    ]


def _list_zeros(series: Series, origins: Origins) -> tuple[float, ...]:
    origin = origins.get(series_id(series.arm, series.key))
    return origin.zeros if origin else ()


def compress(
    samples: Sequence[Sample], moments: Collection[float] = (), pace: float = 0.0
) -> tuple[Sample, ...]:
    """Keep the first sample, the last one, both sides of each fall and of a gap that may be a leap.

    `moments`, in unix seconds, are restarts of the process that need not show as falls, `pace` is
    the units per second of the metric's series so far.

    `advance` counts the same from any cursor without the other samples, because the differences
    along a run without a reset add up to the difference of its ends. Raises EvidenceError.
    """
    if len(samples) < 3:
        return tuple(samples)
    keep = {0, len(samples) - 1}
    counts = [(at, buckets(check(values))) for at, values in samples]
    for i, ((start, before), (end, after)) in enumerate(pairwise(counts)):
        if dropped(before, after) or within(moments, start, end):
            keep |= {i, i + 1}
    keep |= _find_leaps(counts, pace)
    return tuple(samples[i] for i in sorted(keep))


def _find_leaps(counts: Sequence[tuple[float, tuple[int, ...]]], pace: float) -> set[int]:
    """Return both sides of each gap that may be a leap, by the pace so far or the slowest gaps."""
    gains = [
        (sum(after) - sum(before), end - start)
        for (start, before), (end, after) in pairwise(counts)
    ]
    slow = sorted(units / seconds for units, seconds in gains)[len(gains) // 4]
    pace = pace or max(slow, 1e-9)
    leaps = [i for i, (units, seconds) in enumerate(gains) if is_leap(units, seconds, pace)]
    return {*leaps, *(i + 1 for i in leaps)}
