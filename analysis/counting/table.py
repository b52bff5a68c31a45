"""The last samples of very many series, as arrays that read as a mapping."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from analysis.counting.cursor import Arm, Cursor, Key, Sample, SampleMapping
from analysis.fast_replace import replace

Floats = NDArray[np.float64]


class SampleTable(SampleMapping):
    """Samples of one layout by series, ordered by key; never changed.

    `at` has the times, (series,), `values` the cumulative counts, (series, buckets).
    """

    def __init__(self, keys: Sequence[Key], at: Floats, values: Floats) -> None:
        order = sorted(range(len(keys)), key=keys.__getitem__)
        if order != list(range(len(keys))):
            keys, at, values = [keys[i] for i in order], at[order], values[order]
        self.keys_in_order = keys
        self.at, self.values_at = at, values

    @classmethod
    def of(cls, last: Mapping[Key, Sample], width: int) -> SampleTable:
        """Return a mapping as a table with `width` buckets."""
        if isinstance(last, SampleTable):
            return last
        at = np.array([at for at, _ in last.values()], dtype=np.float64)
        values = np.array([values for _, values in last.values()], dtype=np.float64)
        return cls(list(last), at, values.reshape(len(last), width))

    @property
    def width(self) -> int:
        """The number of buckets."""
        width: int = self.values_at.shape[1]
        return width

    @cached_property
    def index(self) -> Mapping[Key, int]:
        """The row of each series."""
        return {key: row for row, key in enumerate(self.keys_in_order)}

    def find_rows(self, keys: Sequence[Key]) -> NDArray[np.intp]:
        """Return the row of each of these series, -1 where there is none."""
        if keys is self.keys_in_order:
            return np.arange(len(keys))
        get = self.index.get
        return np.fromiter((get(key, -1) for key in keys), np.intp, len(keys))

    def updated(self, keys: Sequence[Key], at: Floats, values: Floats) -> SampleTable:
        """Return the table with newer samples of these series, some of which may be new."""
        rows = self.find_rows(keys)
        is_known = rows >= 0
        new_at, new_values = self.at.copy(), self.values_at.copy()
        new_at[rows[is_known]], new_values[rows[is_known]] = at[is_known], values[is_known]
        if is_known.all():
            table = SampleTable.__new__(SampleTable)
            table.keys_in_order, table.at, table.values_at = self.keys_in_order, new_at, new_values
            if "index" in vars(self):
                vars(table)["index"] = self.index
            return table
        added = [key for key, known_row in zip(keys, rows, strict=True) if known_row < 0]
        return SampleTable(
            [*self.keys_in_order, *added],
            np.concatenate([new_at, at[~is_known]]),
            np.concatenate([new_values, values[~is_known]]),
        )

    def joined(self, others: Mapping[Key, Sample]) -> Mapping[Key, Sample]:
        """Return the samples together with those of other series, of the same layout."""
        if not len(self):
            return others
        more = SampleTable.of(others, self.width)
        keys = [*self.keys_in_order, *more.keys_in_order]
        at, values = (self.at, more.at), (self.values_at, more.values_at)
        return SampleTable(keys, np.concatenate(at), np.concatenate(values))

    def list_times(self, arm: Arm) -> list[float]:
        """Return the time of the sample of each of an arm's series."""
        first = bisect_left(self.keys_in_order, ("stable", ""))
        times: list[float] = (
            self.at[:first].tolist() if arm == "canary" else self.at[first:].tolist()
        )
        return times

    def count_times(self) -> dict[Arm, Counter[float]]:
        """Return by arm the times of the samples, with their number."""
        is_canary = np.fromiter(
            (arm == "canary" for arm, _ in self.keys_in_order), np.bool_, len(self.at)
        )
        arms: tuple[tuple[Arm, NDArray[np.bool_]], ...] = (
            ("canary", is_canary),
            ("stable", ~is_canary),
        )
        times: dict[Arm, Counter[float]] = {}
        for arm, is_arm in arms:
            if is_arm.any():
                at, numbers = np.unique(self.at[is_arm], return_counts=True)
                times[arm] = Counter(dict(zip(at.tolist(), numbers.tolist(), strict=True)))
        return times

    def __getitem__(self, key: Key) -> Sample:
        row = self.index[key]
        return float(self.at[row]), tuple(self.values_at[row].tolist())

    def __iter__(self) -> Iterator[Key]:
        return iter(self.keys_in_order)

    def __len__(self) -> int:
        return len(self.keys_in_order)


@dataclass(frozen=True)
class EndedSeries:
    """The series of `last`, the samples that were counted last, that are not among the `going`.

    A look has nothing new of them, and each may go on under another name. They are gathered once a
    look, and only if there is a birth: each birth is held against all.
    """

    last: Mapping[Key, Sample]
    going: Sequence[Container[Key]]

    def may_go_on(self, arm: Arm, zero: float, total: int) -> bool:
        """Whether one of a version, counted since `zero`, may go on as a series with this total.

        It would have no higher count.
        """
        at, totals = self._samples[arm]
        return bool(((at >= zero) & (totals > 0) & (totals <= total)).any())

    @cached_property
    def _samples(self) -> dict[Arm, tuple[Floats, Floats]]:
        """The time and the total of each one's last sample, by version."""
        ended: dict[Arm, list[tuple[float, float]]] = {"canary": [], "stable": []}
        for key in self.last:
            if not any(key in keys for keys in self.going):
                at, values = self.last[key]
                ended[key[0]].append((at, values[-1]))
        return {
            arm: (np.array([at for at, _ in own]), np.array([total for _, total in own]))
            for arm, own in ended.items()
        }


def rename_series(cursor: Cursor, names: Mapping[Key, Key]) -> Cursor:
    """Return a cursor with other names for some of its series."""
    if not names:
        return cursor
    keys, last = [names.get(key, key) for key in cursor.last], cursor.last
    if isinstance(last, SampleTable):
        last = SampleTable(keys, last.at, last.values_at)
    else:
        last = dict(zip(keys, last.values(), strict=True))
    return replace(
        cursor,
        last=last,
        doubted={names.get(key, key): until for key, until in cursor.doubted.items()},
        held=frozenset(names.get(key, key) for key in cursor.held),
        left={names.get(key, key): of for key, of in cursor.left.items()},
        owed={names.get(key, key): of for key, of in cursor.owed.items()},
        paces={names.get(key, key): pace for key, pace in cursor.paces.items()},
    )
