"""What the other series of a scraped target say about one that fell.

Whoever answers at an address shows all of its counters. So where one of them fell as no restart
explains, another process may have answered, and the falls of the others are no restarts either. And
where others go on at their level, it is the same process, which began one counter anew.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise
from operator import ge

from analysis.counting.change import (
    FEW,
    Left,
    classify,
    find_slowest,
    is_leap,
    may_follow_restart,
)
from analysis.counting.cursor import Key, Series

Units = tuple[int, ...]
Point = tuple[float, Units]
"""A sample as (unix seconds, units per bucket)."""


@dataclass(frozen=True)
class SeriesPoints:
    """A series with its last counted sample, if there is one, and the newer ones."""

    series: Series
    last: Point | None
    points: tuple[Point, ...]

    @property
    def key(self) -> Key:
        """The series among those of both arms."""
        return self.series.arm, self.series.key

    @cached_property
    def gaps(self) -> tuple[tuple[Point, Point], ...]:
        """Both sides of each new gap."""
        return tuple(pairwise([*([self.last] if self.last else ()), *self.points]))

    @cached_property
    def only_rises(self) -> bool:
        """Whether no bucket falls in any gap."""
        return all(all(map(ge, after, before)) for (_, before), (_, after) in self.gaps)

    def limit(self, pace: float) -> float:
        """Return the pace by which its changes are judged: none is too fast for an amount."""
        return math.inf if self.series.amount else pace

    def teach(self, pace: float, own: float) -> float:
        """Return the highest pace with its own; an amount's is not that of requests."""
        return pace if self.series.amount else max(pace, own)

    def is_open(self, pace: float, *, started: bool) -> bool:
        """Whether evidence matters for it: it was born, fell or leapt."""
        pace = self.limit(pace)
        if self.last is None and self.points and started:
            return True
        return any(
            classify(before, after, end - start, pace) != "rise"
            for (start, before), (end, after) in self.gaps
        )

    def leaps(self, pace: float) -> bool:
        """Whether it rises in any gap by far more than the pace so far; an amount never does."""
        return not self.series.amount and any(
            is_leap(sum(after) - sum(before), end - start, pace)
            for (start, before), (end, after) in self.gaps
        )

    def find_pace(self, pace: float) -> float:
        """Return the units per second of a series that only rises, without a leap; else 0."""
        if not self.gaps or not self.only_rises:
            return 0.0
        gains = [(sum(after) - sum(before), end - at) for (at, before), (end, after) in self.gaps]
        usual = pace or find_slowest(gains)
        if any(is_leap(units, seconds, usual) for units, seconds in gains):
            return 0.0
        return sum(units for units, _ in gains) / sum(seconds for _, seconds in gains)


@dataclass(frozen=True)
class Siblings:
    """What the series of one target show together. All times are unix seconds.

    `doubts` are the gaps in which one of them fell as no restart explains, `dips` the times between
    such a fall and the sample in which it was made good, with the series that fell, and `levels`
    the counts of each by time. `left` has of each fall to where a restart may have left a series
    what it stood at before, with its counts by time. `pace` is in units per second.
    """

    doubts: tuple[tuple[float, float], ...] = ()
    dips: tuple[tuple[float, float, Key], ...] = ()
    levels: tuple[Mapping[float, Units], ...] = ()
    left: tuple[tuple[Left, Mapping[float, Units]], ...] = ()
    pace: float = 0.0

    def are_back(self, fell_at: float, at: float) -> bool:
        """Return whether all that fell at a time are where they had been.

        No restart leaves them so. Of few units hardly any can count too much, and any process may
        have served them again.
        """
        fallen = [(left, levels) for left, levels in self.left if left.at == fell_at]
        return any(left.depth > FEW for left, _ in fallen) and all(
            at in levels and all(map(ge, levels[at], left.level)) for left, levels in fallen
        )

    def doubt(self, start: float, end: float) -> bool:
        """Return whether another process may have answered at the end of a gap."""
        return any(begin < end and start < until for begin, until in self.doubts)

    def go_on(self, start: float, end: float) -> bool:
        """Return whether one goes on in a gap, by so little that only its own process shows it."""
        return any(
            start in levels
            and end in levels
            and _goes_on(levels[start], levels[end], end - start, self.pace)
            for levels in self.levels
        )

    def leave_out_dips(self, key: Key, points: Sequence[Point]) -> tuple[Point, ...]:
        """Return a series' samples without those that another process may have shown meanwhile.

        A series that fell itself keeps them, so that its fall is told and remembered.
        """
        own = [(start, end) for start, end, of in self.dips if of == key]
        dips = [(start, end) for start, end, of in self.dips if of != key]
        return tuple(
            point for point in points if not _is_within(dips, point[0]) or _is_within(own, point[0])
        )


def _is_within(spans: Sequence[tuple[float, float]], at: float) -> bool:
    return any(start < at < end for start, end in spans)


ALONE = Siblings()


@dataclass
class Company:
    """The siblings of every series of a look, by its target; a series without one has none."""

    _by_target: Mapping[str, Siblings] = field(default_factory=dict)

    @classmethod
    def of(
        cls, lines: Sequence[SeriesPoints], pace: float, left: Mapping[Key, Left] | None = None
    ) -> Company:
        """Judge the lines of a look by the pace so far, in units per second.

        `left` has what those that fell lately stood at.
        """
        if not left and all(line.only_rises for line in lines):
            return cls()
        targets: dict[str, list[SeriesPoints]] = defaultdict(list)
        for line in lines:
            if line.series.process:
                targets[line.series.process].append(line)
        before = left or {}
        return cls({target: _judge(group, pace, before) for target, group in targets.items()})

    def find(self, line: SeriesPoints) -> Siblings:
        """Return the siblings of a series, itself among them."""
        return self._by_target.get(line.series.process, ALONE)


def _judge(lines: Sequence[SeriesPoints], pace: float, before: Mapping[Key, Left]) -> Siblings:
    doubts: list[tuple[float, float]] = []
    dips: list[tuple[float, float, Key]] = []
    left: list[tuple[Left, Mapping[float, Units]]] = []
    levels = [dict([*([line.last] if line.last else ()), *line.points]) for line in lines]
    for line, own in zip(lines, levels, strict=True):
        falls_to = [before[line.key]] if line.key in before else []
        if not line.only_rises:
            falls_to += _list_doubts(line, line.limit(pace), doubts, dips)
        left += [(entry, own) for entry in falls_to]
    return Siblings(tuple(doubts), tuple(dips), tuple(levels), tuple(left), pace)


def _goes_on(before: Units, after: Units, seconds: float, pace: float) -> bool:
    """Return whether a counter is higher than after a restart, and has served what it may."""
    is_rise, level = all(map(ge, after, before)), sum(before)
    return (
        is_rise
        and not may_follow_restart(level, seconds, pace)
        and may_follow_restart(sum(after) - level, seconds, pace)
    )


def _list_doubts(
    line: SeriesPoints,
    pace: float,
    doubts: list[tuple[float, float]],
    dips: list[tuple[float, float, Key]],
) -> list[Left]:
    """Add the gaps in which a series fell as no restart explains, and until when, if made good.

    Return what it had counted before each other fall.
    """
    left: list[Left] = []
    points = [*([line.last] if line.last else ()), *line.points]
    (start, mark), index = points[0], 1
    while index < len(points):
        end, units = points[index]
        change = classify(mark, units, end - start, pace)
        if change == "fall":
            doubts.append((start, end))
            back = find_back(points, index, mark, pace)
            if back is not None:
                dips.append((start, points[back][0], line.key))
                index, (end, units) = back, points[back]
        if change == "reset":
            left.append(Left(end, tuple(mark), units))
        if change != "jitter":
            mark = units
        start, index = end, index + 1
    return left


def find_back(points: Sequence[Point], index: int, mark: Sequence[int], pace: float) -> int | None:
    """Return where a fall at `index` from `mark` is made good; None where that does not show.

    Nor is it where the counter falls again before.
    """
    for later in range(index + 1, len(points)):
        if all(map(ge, points[later][1], mark)):
            return later
        if falls(points[later - 1], points[later], pace):
            return None
    return None


def falls(before: Point, after: Point, pace: float) -> bool:
    """Return whether a counter falls between two samples, and not by jitter."""
    change = classify(before[1], after[1], after[0] - before[0], pace)
    return change in {"fall", "reset"}
