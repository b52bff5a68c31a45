"""How a guardrail's series lie in a large answer: which rows are buckets of which series."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analysis.counting.cursor import Key

Positions = NDArray[np.intp]
Flags = NDArray[np.bool_]


@dataclass(frozen=True)
class Shape:
    """A guardrail's series in order of their keys, and where its label sets belong.

    Label set i is bucket `column_of[i]` of series `row_of[i]`, -1 where it is of another guardrail;
    the column is -1 too where a bucket does not matter. `edges` are the buckets of nearly all
    series that do, empty for plain counters; `is_odd` tells the others, those that may be twins,
    those without the label that tells bad units, and sums over processes. `target` numbers the
    scraped targets, and `has_target` is false for series without one, which share a number. `pairs`
    are the rows of both arms where these have the same keys.
    """

    keys: Sequence[Key]
    edges: tuple[float, ...]
    row_of: Positions
    column_of: Positions
    is_odd: Flags
    is_bad: Flags | None
    target: Positions
    has_target: Flags
    processes: Mapping[Key, str]
    pairs: tuple[Positions, Positions] | None

    @property
    def width(self) -> int:
        """The number of buckets of a series; a plain counter has one."""
        return len(self.edges) or 1

    def covers(self, ids: Positions) -> bool:
        """Whether the place of each of these label sets is known."""
        return ids.max(initial=-1) < len(self.row_of) and bool((self.row_of[ids] >= 0).all())

    def find_places(self, ids: Positions) -> Positions:
        """Return where series' buckets are among these label sets, (series, width); -1 if not."""
        places = np.full((len(self.keys), self.width), -1, dtype=np.intp)
        column = self.column_of[ids]
        counted = np.flatnonzero(column >= 0)
        places[self.row_of[ids][counted], column[counted]] = counted
        return places
