"""The samples of an answer's rows, as arrays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rollout.answers.float_text import check_plain
from rollout.observe.bulk.catalogue import BulkAnswer
from rollout.observe.bulk.layout import Flags, Positions, Shape

Floats = NDArray[np.float64]

_NEXT = b"],["
_NUMBER = b"0123456789.eE+-,"


@dataclass(frozen=True)
class Samples:
    """All samples of some rows one after another; those of row i lie before `ends[i]`.

    Their values are text, since most were read at an earlier look.
    """

    at: Floats
    texts: Sequence[bytes]
    numbers: Positions
    ends: Positions

    def read(self, index: Positions) -> Floats:
        """Return the values of these samples. Raises ValueError for what is no number."""
        texts = self.texts
        chosen = [texts[i] for i in index.ravel().tolist()]
        check_plain(b"".join(chosen).decode("ascii"))
        values = np.array([*map(float, chosen)])
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
        if not (self.at[ends] == self.at[others]).all():
            return False
        # One source has equal counts everywhere, so those of two nearly always differ at once.
        spans = slice(1), slice(None)
        return all((self.read(ends[own]) == self.read(others[own])).all() for own in spans)


def read_samples(answer: BulkAnswer, positions: Positions) -> Samples | None:
    """Return the rows' samples; None for native histograms and for what is no number."""
    samples = answer.rows.samples
    rows = [samples[position] for position in positions.tolist()]
    if b"" in rows:
        return None
    numbers = np.array([row.count(_NEXT) for row in rows], dtype=np.intp) + 1
    # A time and a value take turns, the values in quotes: [[1.5,"7"],[2.5,"8"
    pieces = _NEXT.join(rows).split(b'"')
    try:
        at = _read_times(pieces[:-1:2]) if pieces[-1] == b"" else None
    except ValueError:
        return None
    if at is None or len(at) != numbers.sum():
        return None
    return Samples(at, pieces[1::2], numbers, np.cumsum(numbers))


def _read_times(pieces: Sequence[bytes]) -> Floats:
    """Return the times of samples, each with what is around it. Raises ValueError."""
    # All series of a process have the same.
    different = {*pieces}
    times = {piece: _read_time(piece) for piece in different}
    return np.fromiter(map(times.__getitem__, pieces), np.float64, len(pieces))


def _read_time(piece: bytes) -> float:
    text = piece.removeprefix(_NEXT)
    if not text.endswith(b",") or text.strip(_NUMBER) != b"":
        raise ValueError("a sample begins with its time")
    return float(text[:-1])
