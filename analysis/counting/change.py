"""Whether a process could have served what its counter shows between two scrapes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import accumulate, pairwise
from operator import add, ge, sub
from typing import Literal, NamedTuple

Change = Literal["rise", "reset", "jitter", "fall", "leap"]
"""`fall` and `leap` are doubted: no single process counts like that."""

Units = tuple[int, ...]
"""Units per bucket; a plain counter has one."""

UNIT = 1
"""A fall by one unit is jitter, however low the counter."""

SKEW = 1.0
"""Seconds by which two readers of one counter may differ, for example two Prometheus servers."""

FEW = 10
"""Units that any process may have served since its restart, whatever its pace before."""

RESET = 2.0
"""How much faster than the pace so far a process may serve after its restart."""

MANY = 100
"""Units in one gap that are no leap, whatever the pace before."""

LEAP = 10.0
"""How much faster than the pace so far a process may serve, as after a change of weights."""

GROWTH = 4.0
"""How much higher one look may take the pace: a leap that goes unnoticed must not hide others."""

SETTLED = 3
"""Gaps of the doubted length after which a new level is believed, or is taken as the baseline."""

AT_ONCE = 0.5
"""Share of a fall that is made good in one gap: another process answered meanwhile."""

ABSENT = 1.5
"""How much longer than that of the fall a gap is in which the sum itself was not there."""


def find_slowest(gains: Iterable[tuple[int, float]]) -> float:
    """Return the lowest pace of gaps in which something was served, in units per second; else 0.

    A process serves in its slowest gap too. Workers of different age that answer in rising order
    never do: where one answers twice in a row, the counter shows how little each serves.

    Args:
        gains: units and seconds of each gap.
    """
    return min((units / seconds for units, seconds in gains if units), default=0.0)


def limit_pace(pace: float, highest: float) -> float:
    """Return the pace after a look in which `highest` is that of a series that only rises."""
    return max(pace, min(highest, GROWTH * pace) if pace else highest)


def classify(
    before: Sequence[int], after: Sequence[int], seconds: float, pace: float, *, is_up: bool = False
) -> Change:
    """Classify the change of a counter by its units per bucket at two scrapes.

    Args:
        before: units per bucket; a plain counter has one.
        after: the same at the next scrape.
        seconds: time between both.
        pace: units per second that one series of this metric has served so far; 0 if unknown.
        is_up: the process is known not to have restarted in between.
    """
    old, new = sum(before), sum(after)
    lost = sum(max(0, gone) for gone in map(sub, before, after))
    if not lost:
        return "leap" if is_leap(new - old, seconds, pace) else "rise"
    is_shallow = 2 * new > old
    if lost <= UNIT or (is_shallow and lost <= SKEW * pace):
        return "jitter"
    if is_up and is_shallow:
        return "fall"
    return "reset" if may_follow_restart(new, seconds, pace) else "fall"


def may_follow_restart(units: int, seconds: float, pace: float) -> bool:
    """Whether a process may have served `units` since a restart at most `seconds` ago."""
    return units <= FEW + RESET * pace * seconds


def is_leap(units: int, seconds: float, pace: float) -> bool:
    """Whether `units` in `seconds` are far beyond the pace so far; never without a pace."""
    return pace > 0 and units > MANY + LEAP * pace * seconds


def has_leap(gains: Sequence[tuple[int, float]]) -> bool:
    """Whether units and seconds of any gap are a leap by those of the slowest one."""
    slowest = find_slowest(gains)
    return any(is_leap(units, seconds, slowest) for units, seconds in gains)


class Left(NamedTuple):
    """What a counter stood at before a fall that counted as a restart, though nothing showed one.

    At `at`, unix seconds, it had fallen from the units per bucket `level` to those of `low`. If it
    is back where it had been soon, another process had answered: the way back is no news, and what
    that one showed was not served since.
    """

    at: float
    level: Units
    low: Units

    @property
    def depth(self) -> int:
        """By how many units it fell."""
        return sum(self.level) - sum(self.low)

    def is_made_good(self, before: Sequence[int], after: Sequence[int]) -> bool:
        """Return whether the counter is where it had been, and most of the way in one gap."""
        is_at_once = sum(after) - sum(before) >= AT_ONCE * self.depth
        return is_at_once and all(map(ge, after, self.level))


def find_fall(samples: Sequence[tuple[float, Sequence[float]]]) -> Left | None:
    """Return the newest fall of cumulative counts that is not made good; None without one."""
    units = [(at, tuple(map(int, map(sub, row, (0.0, *row))))) for at, row in samples]
    falls = [
        Left(at, before, after)
        for (_, before), (at, after) in pairwise(units)
        if not all(map(ge, after, before))
    ]
    is_open = falls and not all(map(ge, units[-1][1], falls[-1].level))
    return falls[-1] if is_open else None


class Owed(NamedTuple):
    """By how many units per bucket a sum fell in all, by how many at least at once, and how soon.

    A sum over processes falls where one of them is lost, and nothing tells that from a restart. So
    a fall counts nothing; of a later gap that rises by as much only the rest counts, since the
    member may be back. All that is counted then lies above the level before the fall.

    `seconds` is the length of the shortest gap in which it fell.
    """

    units: Units
    least: int
    seconds: float

    def find_back(self, before: Sequence[int], after: Sequence[int], seconds: float) -> Units:
        """Return what a gap of so many `seconds` may bring back, per bucket.

        A lost member has at least what the sum fell by. A sum that was not there for a while may
        have lost another one meanwhile, which hides how much is back.
        """
        is_back = self._is_back(sum(after) - sum(before), seconds)
        if not is_back or not all(map(ge, after, before)):
            return tuple(0 for _ in self.units)
        return tuple(map(min, map(sub, after, before), self.units))

    def may_be_back(self, gained: int, seconds: float, pace: float) -> bool:
        """Return whether a rise may bring back anything, by the highest pace of the sum so far."""
        return self._is_back(gained, seconds) or not may_follow_restart(gained, seconds, pace)

    def _is_back(self, gained: int, seconds: float) -> bool:
        return gained >= self.least or seconds > ABSENT * self.seconds

    def pay(self, back: Sequence[int]) -> Owed | None:
        """Return what is owed still; None where nothing is."""
        units = tuple(map(sub, self.units, back))
        return self._replace(units=units, least=min(self.least, sum(units))) if any(units) else None

    def on_edges(self, convert: Callable[[tuple[float, ...]], Sequence[float]]) -> Owed:
        """Return what is owed in other buckets; `convert` takes cumulative counts there."""
        row = tuple(map(int, convert(tuple(map(float, accumulate(self.units))))))
        return self._replace(units=tuple(map(sub, row, (0, *row))))


def owe(
    owed: Owed | None, before: Sequence[int], after: Sequence[int], seconds: float
) -> Owed | None:
    """Return what is owed after a change from `before` to `after` that counts nothing."""
    lost = tuple(max(0, gone) for gone in map(sub, before, after))
    if not any(lost):
        back = map(min, map(sub, after, before), owed.units) if owed else ()
        return owed.pay(tuple(back)) if owed else None
    if owed is None:
        return Owed(lost, sum(lost), seconds)
    least = min(owed.least, sum(lost))
    return Owed(tuple(map(add, owed.units, lost)), least, min(owed.seconds, seconds))
