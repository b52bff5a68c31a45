"""Drops the raw samples that counting does not need."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from itertools import pairwise

from analysis.counting.cursor import Sample, Series, buckets, check, dropped, restarts, within


def compress_all(series: Sequence[Series]) -> list[Series]:
    """Thin each series to the samples that counting needs, given its process's restarts.

    Raises EvidenceError, as `compress` does.
    """
    began = restarts(series)
    return [
        replace(entry, samples=compress(entry.samples, began.get(entry.process, ())))
        for entry in series
    ]


def compress(samples: Sequence[Sample], moments: Collection[float] = ()) -> tuple[Sample, ...]:
    """Keep the first sample, the last one and both sides of each reset.

    `moments`, in unix seconds, are restarts visible in other series of the process.

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
    return tuple(samples[i] for i in sorted(keep))
