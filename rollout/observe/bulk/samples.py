"""The samples of an answer's rows, as arrays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from rollout.answers.float_text import check_plain
from rollout.observe.bulk.catalogue import BulkAnswer
from rollout.observe.bulk.layout import Flags, Positions, Shape

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Samples:
    """All samples of some rows one after another; those of row i lie before `ends[i]`.

    Their values are text, since most were read at an earlier look.
    """

    at: Floats
    texts: Sequence[str]
    numbers: Positions
    ends: Positions

    def read(self, index: Positions) -> Floats:
        """Return the values of these samples. Raises ValueError for what is no number."""
        texts = self.texts
        chosen = [texts[i] for i in index.ravel().tolist()]
        check_plain("".join(chosen))
        values = np.array([float(text) for text in chosen])
        return values.reshape(index.shape)

    def count_newer(self, than: Floats) -> Positions:
        """Return how many samples of each row are newer than its time in `than`."""
        is_newer = self.at > np.repeat(than, self.numbers)
        total = np.concatenate([[0], np.cumsum(is_newer)])
        counts: Positions = total[self.ends] - total[self.ends - self.numbers]
        return counts

    def find_unordered(self) -> Flags:
        """Return which rows have samples that are not in order of time."""
        is_back = np.concatenate([[False], np.diff(self.at) <= 0])
        starts = self.ends - self.numbers
        is_back[starts[self.numbers > 0]] = False
        total = np.concatenate([[0], np.cumsum(is_back)])
        flags: Flags = total[self.ends] > total[starts]
        return flags

    def are_alike(self, shape: Shape, places: Positions) -> bool:
        """Whether both arms end alike: they may be one source under two names.

        `places` are the rows of each series' buckets, (series, K). Raises ValueError as `read`.
        """
        if shape.pairs is None:
            return False
        ends, others = (self.ends[places[rows]] - 1 for rows in shape.pairs)
        return bool(
            (self.at[ends] == self.at[others]).all()
            and (self.read(ends) == self.read(others)).all()
        )


def read_samples(answer: BulkAnswer, positions: Positions) -> Samples | None:
    """Return the rows' samples; None for native histograms and for what is no number."""
    rows = [answer.rows[position] for position in positions.tolist()]
    if any("histograms" in row for row in rows):
        return None
    try:
        lists = [row["values"] for row in rows]
        pairs = [*chain.from_iterable(lists)]
        if {*map(len, pairs)} - {2}:
            return None
        flat = [*chain.from_iterable(pairs)]
        at, texts = np.array(flat[::2], dtype=np.float64), flat[1::2]
        numbers = np.array([*map(len, lists)], dtype=np.intp)
    except (KeyError, TypeError, ValueError):
        return None
    return Samples(at, texts, numbers, np.cumsum(numbers))
