"""Raw samples without those that counting does not need."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from itertools import pairwise

from analysis.counting.cursor import Sample, Series, buckets, check, dropped, restarts, within


def compress_all(series: Sequence[Series]) -> list[Series]:
    """Each series with the samples that counting needs, its siblings' restarts kept in sight.

    Raises EvidenceError, as `compress`.
    """
    began = restarts(series)
    return [
        replace(one, samples=compress(one.samples, began.get(one.process, ()))) for one in series
    ]


def compress(samples: Sequence[Sample], moments: Collection[float] = ()) -> tuple[Sample, ...]:
    """The first and the last sample and both sides of each reset: all that counting needs.

    `moments`, in unix seconds, are restarts that other series of the process show.

    From any cursor, `advance` counts the same with the rest left out, because the differences along
    a run without a reset add up to the difference of its ends. Raises EvidenceError.
    """
    if len(samples) < 3:
        return tuple(samples)
    keep = {0, len(samples) - 1}
    counts = [(at, buckets(check(values))) for at, values in samples]
    for i, ((start, before), (end, after)) in enumerate(pairwise(counts)):
        if dropped(before, after) or within(moments, start, end):
            keep |= {i, i + 1}
    return tuple(samples[i] for i in sorted(keep))
