"""Turns cumulative counters into one look's counts, across resets and new series.

How it works: a `Cursor` remembers the last counted sample of every series. `advance` takes the
samples that are newer, adds up the differences between consecutive ones and moves the cursor. A
counter that falls was reset by a restart of its process, so its new value counts in full. The first
answer that contains stable is the baseline and counts nothing; a series that appears later started
at 0, so its first value counts in full too. Native histograms are first put on one common grid.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from itertools import pairwise
from operator import add, lt, sub
from typing import Literal

from analysis.counting import native_histogram
from analysis.counting.change import Left, Owed
from analysis.counting.counts import EXACT, INEXACT, Counts, EvidenceError
from analysis.counting.native_histogram import Grid
from analysis.fast_replace import replace

Arm = Literal["canary", "stable"]
Key = tuple[Arm, str]
Sample = tuple[float, tuple[float, ...]]


class SampleMapping(Mapping[Key, Sample]):
    """Last samples by series that know by themselves how many there are of each time."""

    @abstractmethod
    def count_times(self) -> dict[Arm, Counter[float]]:
        """Return by arm the times of the samples, with their number."""


@dataclass(frozen=True)
class Series:
    """Raw samples of one cumulative series, oldest first.

    `key` identifies the series within its metric (canonical labels). A sample is (unix seconds,
    values): one value for a plain counter, the cumulative bucket counts in the order of `edges` for
    a histogram (`edges` ends with infinity; empty for a plain counter). `bad` marks a counter of
    bad units, which are exposures too, unless `total` is false: then another counter has all units.
    Nobody can tell whether the units of one that is `unlabelled` are bad. One that counts an
    `amount`, such as tokens, may rise at any pace: a single request may add any number. What is a
    `sum` over processes falls where one of them is lost, which tells nothing of a restart.
    Units of a further kind are counted `apart`, as the metric's kind of that number.
    `process` groups series that restart together: a restart
    visible in one of them holds for all; empty means the series is on its own. `schema` marks a
    native histogram, whose `edges` are the exponents of the boundaries around its occupied buckets
    (see `native_histogram.Native`).
    """

    key: str
    arm: Arm
    samples: tuple[Sample, ...]
    bad: bool = False
    edges: tuple[float, ...] = ()
    process: str = ""
    schema: int | None = None
    total: bool = True
    unlabelled: bool = False
    amount: bool = False
    is_sum: bool = False
    apart: int | None = None

    def kinds(self, units: tuple[int, ...]) -> tuple[int, ...]:
        """Return what its units count: per bucket, or as (exposures, bad units)."""
        return units if self.edges else (units[0] * self.total, units[0] * self.bad)

    def add_apart(self, apart: tuple[int, ...], units: tuple[int, ...]) -> tuple[int, ...]:
        """Return the units by further kind with those of this series, if it has one."""
        if self.apart is None:
            return apart
        width = max(len(apart), self.apart + 1)
        padded = [*apart, *[0] * (width - len(apart))]
        padded[self.apart] += sum(units)
        return tuple(padded)


@dataclass(frozen=True)
class Cursor:
    """The last counted sample of each series of one metric; empty at first.

    Nothing is counted until stable has reported once (`started`): that answer is the baseline, and
    `began` is its newest sample's time. A series that first appears after it is new. Only `belief`
    uses `pace`, the highest rate, in units per second, that one series was believed to have served
    at, `doubted`: until when a series that fell or leapt is remembered for it, `held`: the
    series whose last sample was lower by a unit or so than the count that stands, `left`: what
    those that are doubted for a fall had counted before it, `owed`: what sums fell by,
    and `paces`: the highest rates of single sums.
    """

    last: Mapping[tuple[Arm, str], Sample] = field(default_factory=dict)
    edges: tuple[float, ...] = ()
    started: bool = False
    restarts: Mapping[str, float] = field(default_factory=dict)  # newest per process
    grid: Grid | None = None  # the layout of native histograms
    began: float | None = None
    pace: float = 0.0
    doubted: Mapping[tuple[Arm, str], float] = field(default_factory=dict)
    held: frozenset[tuple[Arm, str]] = frozenset()
    left: Mapping[tuple[Arm, str], Left] = field(default_factory=dict)
    owed: Mapping[tuple[Arm, str], Owed] = field(default_factory=dict)
    paces: Mapping[tuple[Arm, str], float] = field(default_factory=dict)

    def newest(self, arm: Arm) -> float | None:
        """Return the unix time of that arm's newest sample; None if it has none."""
        return self._newest.get(arm)

    def times(self, arm: Arm) -> Mapping[float, int]:
        """Return the unix times of the newest samples of that arm's series, with their number."""
        return self._times.get(arm, {})

    def after_baseline(self) -> Cursor:
        """Return this cursor as started, if stable has reported."""
        if self.started or (at := self.newest("stable")) is None:
            return self
        return replace(self, started=True, began=at)

    def begun(self, at: float | None) -> Cursor:
        """Return this cursor as started at a time, for counts that need no baseline of stable."""
        return self if self.started or at is None else replace(self, started=True, began=at)

    @cached_property
    def _newest(self) -> dict[Arm, float]:
        return {arm: max(times) for arm, times in self._times.items()}

    @cached_property
    def _times(self) -> dict[Arm, Counter[float]]:
        if isinstance(self.last, SampleMapping):
            return self.last.count_times()
        times: dict[Arm, Counter[float]] = {}
        for (arm, _), (at, _) in self.last.items():
            times.setdefault(arm, Counter())[at] += 1
        return times


def advance(cursor: Cursor, series: Sequence[Series]) -> tuple[Cursor, Counts]:
    """Count each sample newer than the cursor once, and move the cursor.

    Samples that are not newer than the last one of their series are ignored, so that late, repeated
    or overlapping answers change nothing. A drop in any bucket (a plain counter has one) is a
    reset: the process restarted at 0, and its new value counts in full; so do the values of all
    other series of that process across the same moment. Limit: a restart is invisible if every
    series of the process exceeds its old value again by the next sample. Raises EvidenceError for
    values that are not counts and for bucket layouts that differ between arms or over time.
    """
    cursor, series = in_one_layout(cursor, series)
    edges = _find_layout(cursor, series)
    last, began = dict(cursor.last), restarts(series, cursor)
    counts: dict[Arm, list[int]] = {arm: [0] * (len(edges) or 2) for arm in ("canary", "stable")}
    apart: dict[Arm, tuple[int, ...]] = {"canary": (), "stable": ()}
    for current in series:
        last_sample, moments = last.get((current.arm, current.key)), began.get(current.process, ())
        for sample, units in _iterate_increments(current, last_sample, moments):
            last[current.arm, current.key] = sample
            # Before stable has reported there is no baseline: the cursor moves, nothing counts.
            if cursor.started:
                counts[current.arm] = list(map(add, counts[current.arm], current.kinds(units)))
                apart[current.arm] = current.add_apart(apart[current.arm], units)
    evidence = Counts(
        tuple(counts["canary"]),
        tuple(counts["stable"]),
        edges,
        canary_apart=apart["canary"],
        stable_apart=apart["stable"],
    )
    newest = {process: max(moments) for process, moments in began.items()}
    cursor = replace(cursor, last=last, edges=edges, restarts=newest)
    return cursor.after_baseline(), evidence


def in_one_layout(cursor: Cursor, series: Sequence[Series]) -> tuple[Cursor, Sequence[Series]]:
    """Put native histograms on the cursor's grid, and both on a coarser one where needed.

    Series and cursor must share one layout to be subtracted. While no bucket is occupied anywhere
    there is no range to build a grid from, so the series are dropped. Raises EvidenceError.
    """
    sampled = [entry for entry in series if entry.samples]
    natives = [_as_native(entry) for entry in sampled if entry.schema is not None]
    if not natives:
        return cursor, series
    if len(natives) < len(sampled):
        raise EvidenceError("some series have native buckets, others classic ones")
    grid = native_histogram.common(cursor.grid, natives)
    if grid is None:
        return cursor, ()
    if cursor.grid and grid != cursor.grid:
        at = partial(native_histogram.on_grid, cursor.grid.exponents, wanted=grid.exponents)
        last = {key: (time, at([values])[0]) for key, (time, values) in cursor.last.items()}
        owed = {key: of.on_edges(lambda row: at([row])[0]) for key, of in cursor.owed.items()}
        cursor = replace(cursor, last=last, edges=grid.edges, left={}, owed=owed)
    return replace(cursor, grid=grid), [_put_on_grid(entry, grid) for entry in sampled]


def _as_native(series: Series) -> native_histogram.Native:
    return native_histogram.Native(
        series.schema or 0, series.edges, tuple(values for _, values in series.samples)
    )


def _put_on_grid(series: Series, grid: Grid) -> Series:
    rows = native_histogram.on_grid(
        series.edges, (values for _, values in series.samples), grid.exponents
    )
    samples = tuple((at, row) for (at, _), row in zip(series.samples, rows, strict=True))
    return replace(series, samples=samples, edges=grid.edges, schema=None)


def restarts(series: Sequence[Series], cursor: Cursor | None = None) -> dict[str, set[float]]:
    """Find restarts: sample times at which the total of one of a process's series fell."""
    previous = cursor or Cursor()
    times = {process: {at} for process, at in previous.restarts.items()}
    for entry in series:
        if not entry.process:
            continue
        before = previous.last.get((entry.arm, entry.key))
        newer = [sample for sample in entry.samples if before is None or sample[0] > before[0]]
        for (_, old), (at, new) in pairwise([*([before] if before else []), *newer]):
            if new[-1:] < old[-1:]:
                times.setdefault(entry.process, set()).add(at)
    return times


def check(values: Sequence[float]) -> tuple[int, ...]:
    """Convert `values` to cumulative counts. Raises EvidenceError with the reason if invalid."""
    try:  # fast path: valid values need no Python loop; the slow path below finds the reason
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


def _find_layout(cursor: Cursor, series: Sequence[Series]) -> tuple[float, ...]:
    layouts = {entry.edges for entry in series if entry.samples}
    layouts |= {cursor.edges} if cursor.last else set()
    if len(layouts) > 1:
        raise EvidenceError("bucket layouts differ")
    return next(iter(layouts), cursor.edges)


def _iterate_increments(
    series: Series, last_sample: Sample | None, moments: Collection[float]
) -> Iterator[tuple[Sample, tuple[int, ...]]]:
    """Yield each new sample with the units it adds; `moments` are restarts of its process."""
    width = len(series.edges) or 1
    at, values = last_sample or (-math.inf, (0.0,) * width)
    before = buckets(tuple(map(round, values)))  # `check` validated it when it was new
    for sample in series.samples:
        if sample[0] <= at:
            continue
        if len(sample[1]) != width:
            raise EvidenceError("a sample does not fit its bucket layout")
        after = buckets(check(sample[1]))
        again = dropped(before, after) or within(moments, at, sample[0])
        added = after if again else tuple(map(sub, after, before))
        at, before = sample[0], after
        yield sample, added


def buckets(cumulative: Sequence[int]) -> tuple[int, ...]:
    """Convert cumulative counts to counts per bucket."""
    return tuple(map(sub, cumulative, (0, *cumulative)))


def within(moments: Collection[float], start: float, end: float) -> bool:
    """Whether a restart, one of `moments`, lies between `start` and `end`; all unix seconds."""
    return bool(moments) and any(start < moment <= end for moment in moments)


def dropped(before: Sequence[int], after: Sequence[int]) -> bool:
    """Whether a counter was reset, by its counts per bucket `before` and `after`.

    Cumulative counts can all rise although one bucket fell, so they cannot show every reset.
    """
    return any(map(lt, after, before))
