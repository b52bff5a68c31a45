"""What a sum over processes fell by: its members may come back, and bring that with them.

A sum that a recording rule makes falls when a member is lost, and nothing tells that from a
restart. So a fall counts nothing, and what it fell by is owed: a later gap that rises by as much
may be the way back, so that of such a gap only the rest counts. All that is counted is then what
lies above the level before the fall, whether the member comes back or not.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import accumulate
from operator import add, ge, sub
from typing import NamedTuple

from analysis.counting.change import may_follow_restart

Units = tuple[int, ...]

ABSENT = 1.5
"""How much longer than that of the fall a gap is in which the sum itself was not there."""


class Owed(NamedTuple):
    """By how many units per bucket a sum fell in all, by how many at least at once, and how soon.

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
