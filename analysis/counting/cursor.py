"""Cumulative counters to one look's evidence: differences per series, with resets and births."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from itertools import pairwise
from operator import add, lt, sub
from typing import Literal

from analysis.counting import native_histogram
from analysis.counting.counts import EXACT, INEXACT, Counts, EvidenceError
from analysis.counting.native_histogram import Grid

Arm = Literal["canary", "stable"]
Sample = tuple[float, tuple[float, ...]]


@dataclass(frozen=True)
class Series:
    """Raw samples of one cumulative series, oldest first.

    `key` identifies the series within its metric (labels, canonical). A sample is (unix seconds,
    values): one value for a plain counter, the cumulative bucket counts in the order of `edges` for
    a histogram (`edges` ends with infinity; empty for a plain counter). `bad` marks a counter of
    bad units; its units are exposures too. `process` names what begins again as one: a restart that
    one of its series shows holds for all of them; empty: the series stands alone. `schema` marks a
    native histogram: `edges` are then the exponents of the boundaries around its occupied buckets
    (see `native_histogram.Native`).
    """

    key: str
    arm: Arm
    samples: tuple[Sample, ...]
    bad: bool = False
    edges: tuple[float, ...] = ()
    process: str = ""
    schema: int | None = None


@dataclass(frozen=True)
class Cursor:
    """What was last seen of each series of one metric; empty at first.

    Nothing is counted before stable was seen once (`started`): that answer is the baseline. From
    then on a series that was never seen before is new and counts from 0.
    """

    last: Mapping[tuple[Arm, str], Sample] = field(default_factory=dict)
    edges: tuple[float, ...] = ()
    started: bool = False
    restarts: Mapping[str, float] = field(default_factory=dict)  # newest known one per process
    grid: Grid | None = None  # the layout of native histograms

    def newest(self, arm: Arm) -> float | None:
        """Unix time of that arm's newest sample; None: never seen."""
        return self._newest.get(arm)

    @cached_property
    def _newest(self) -> dict[Arm, float]:
        found: dict[Arm, float] = {}
        for (arm, _), (at, _) in self.last.items():
            found[arm] = max(at, found.get(arm, at))
        return found


def advance(cursor: Cursor, series: Sequence[Series]) -> tuple[Cursor, Counts]:
    """Count what is new since the cursor, each sample once, and move the cursor.

    Samples not later than the last known one of their series are ignored, so that late, repeated or
    overlapping answers change nothing. A drop in any bucket (a plain counter has one) is a reset:
    the process began again at 0, and its new value counts in full; so do the values of all other
    series of that process that span the same moment. Limit: a restart after which every series of
    the process has passed its old value by the next sample cannot be seen. Raises EvidenceError for
    values that are no counts and for bucket layouts that differ between arms or over time.
    """
    cursor, series = in_one_layout(cursor, series)
    edges = _layout(cursor, series)
    last, began = dict(cursor.last), restarts(series, cursor)
    counts: dict[Arm, list[int]] = {arm: [0] * (len(edges) or 2) for arm in ("canary", "stable")}
    for one in series:
        known, moments = last.get((one.arm, one.key)), began.get(one.process, ())
        for sample, increments in _increments(one, known, moments):
            last[one.arm, one.key] = sample
            # Before stable was seen there is no baseline, so nothing is new.
            if cursor.started:
                counts[one.arm] = list(map(add, counts[one.arm], increments))
    started = cursor.started or any(arm == "stable" for arm, _ in last)
    evidence = Counts(tuple(counts["canary"]), tuple(counts["stable"]), edges)
    newest = {process: max(moments) for process, moments in began.items()}
    return Cursor(last, edges, started, newest, cursor.grid), evidence


def in_one_layout(cursor: Cursor, series: Sequence[Series]) -> tuple[Cursor, Sequence[Series]]:
    """Native histograms on the cursor's grid, and both on a coarser one where a series needs it.

    Nothing of them is seen as long as no bucket of any is occupied. Raises EvidenceError.
    """
    shown = [one for one in series if one.samples]
    found = [_native(one) for one in shown if one.schema is not None]
    if not found:
        return cursor, series
    if len(found) < len(shown):
        raise EvidenceError("some series have native buckets, others classic ones")
    grid = native_histogram.common(cursor.grid, found)
    if grid is None:
        return cursor, ()
    if cursor.grid and grid != cursor.grid:
        at = partial(native_histogram.on_grid, cursor.grid.exponents, wanted=grid.exponents)
        last = {key: (time, at([values])[0]) for key, (time, values) in cursor.last.items()}
        cursor = replace(cursor, last=last, edges=grid.edges)
    return replace(cursor, grid=grid), [_laid(one, grid) for one in shown]


def _native(one: Series) -> native_histogram.Native:
    return native_histogram.Native(
        one.schema or 0, one.edges, tuple(values for _, values in one.samples)
    )


def _laid(one: Series, grid: Grid) -> Series:
    rows = native_histogram.on_grid(
        one.edges, (values for _, values in one.samples), grid.exponents
    )
    samples = tuple((at, row) for (at, _), row in zip(one.samples, rows, strict=True))
    return replace(one, samples=samples, edges=grid.edges, schema=None)


def restarts(series: Sequence[Series], cursor: Cursor | None = None) -> dict[str, set[float]]:
    """Sample times by which a process had begun again: the total of one of its series fell."""
    known = cursor or Cursor()
    found = {process: {at} for process, at in known.restarts.items()}
    for one in series:
        if not one.process:
            continue
        before = known.last.get((one.arm, one.key))
        newer = [sample for sample in one.samples if before is None or sample[0] > before[0]]
        for (_, old), (at, new) in pairwise([*([before] if before else []), *newer]):
            if new[-1:] < old[-1:]:
                found.setdefault(one.process, set()).add(at)
    return found


def check(values: Sequence[float]) -> tuple[int, ...]:
    """`values` as cumulative counts. Raises EvidenceError, with the reason, if they are none."""
    try:  # sound ones are recognised without a loop of ours
        whole = tuple(map(int, values))
    except (ValueError, OverflowError):
        whole = ()
    rising = whole == tuple(values) and sorted(whole) == list(whole)
    if rising and whole[:1] >= (0,) and whole[-1:] <= (EXACT,):
        return whole
    if not all(math.isfinite(value) for value in values):
        raise EvidenceError("a sample is not a finite number")
    counts = tuple(round(value) for value in values)
    if any(abs(value - count) > 1e-6 for value, count in zip(values, counts, strict=True)):
        raise EvidenceError("a sample is not a whole number: this is no counter")
    if any(count < 0 for count in counts):
        raise EvidenceError("a counter is negative")
    if any(count > EXACT for count in counts):
        raise EvidenceError(INEXACT)
    if any(after < before for before, after in pairwise(counts)):
        raise EvidenceError("bucket counts fall with rising edges")
    return counts


def _layout(cursor: Cursor, series: Sequence[Series]) -> tuple[float, ...]:
    layouts = {one.edges for one in series if one.samples}
    layouts |= {cursor.edges} if cursor.last else set()
    if len(layouts) > 1:
        raise EvidenceError("bucket layouts differ")
    return next(iter(layouts), cursor.edges)


def _increments(
    one: Series, known: Sample | None, moments: Collection[float]
) -> Iterator[tuple[Sample, tuple[int, ...]]]:
    """Each new sample with the units that it adds; `moments` are restarts of its process."""
    width = len(one.edges) or 1
    at, values = known or (-math.inf, (0.0,) * width)
    before = buckets(tuple(map(round, values)))  # it was checked when it was new
    for sample in one.samples:
        if sample[0] <= at:
            continue
        if len(sample[1]) != width:
            raise EvidenceError("a sample does not fit its bucket layout")
        after = buckets(check(sample[1]))
        again = dropped(before, after) or within(moments, at, sample[0])
        added = after if again else tuple(map(sub, after, before))
        at, before = sample[0], after
        yield sample, added if one.edges else (added[0], added[0] if one.bad else 0)


def buckets(cumulative: Sequence[int]) -> tuple[int, ...]:
    """Counts per bucket, not cumulative."""
    return tuple(map(sub, cumulative, (0, *cumulative)))


def within(moments: Collection[float], start: float, end: float) -> bool:
    """Whether a restart, one of `moments`, lies between `start` and `end`; all unix seconds."""
    return bool(moments) and any(start < moment <= end for moment in moments)


def dropped(before: Sequence[int], after: Sequence[int]) -> bool:
    """Whether a counter began again, by its counts per bucket `before` and `after`.

    Cumulative counts can hide what their own buckets show.
    """
    return any(map(lt, after, before))
