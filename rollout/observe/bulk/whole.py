"""Series of a large answer that are judged one by one, built from its arrays.

Where very many remain, as after all pods have restarted, their labels are known from the look
before and their samples are cut out already: nothing of their rows has to be parsed again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from analysis.counting.cursor import Arm, Key, Series
from rollout.observe.bulk.catalogue import BulkAnswer
from rollout.observe.bulk.layout import Flags, Positions, Shape
from rollout.observe.bulk.samples import Floats, Samples


@dataclass(frozen=True)
class WholeSeries:
    """Series with every sample of the window, in order of their keys, and the labels of each."""

    series: Sequence[Series] = ()
    labels: Mapping[Key, Mapping[str, str]] = field(default_factory=dict)

    def join(self, arm: Arm, others: Sequence[Series]) -> list[Series]:
        """Return an arm's series together with others of it, in order of their keys."""
        own = [entry for entry in self.series if entry.arm == arm]
        return sorted([*own, *others], key=lambda entry: entry.key) if own else [*others]


NONE_WHOLE = WholeSeries()


def read_whole(
    answer: BulkAnswer,
    positions: Positions,
    samples: Samples,
    shape: Shape,
    remains: Flags,
) -> tuple[WholeSeries, Flags]:
    """Return those that remain and of which every scrape has every bucket, and which these are.

    Args:
        answer: the rows, which nothing is parsed of.
        positions: the rows that `samples` are of.
        samples: those of all buckets, of each row in order of time.
        shape: where the buckets of a series are.
        remains: the series to read, (series,).

    Raises ValueError where a value is no number.
    """
    places = shape.find_places(answer.ids[positions])
    rows = np.flatnonzero(remains & ~shape.is_odd & (places >= 0).all(axis=1))
    rows, number = _find_even(samples, places, rows)
    is_unordered = samples.find_unordered()
    rows_by_number = [(count, rows[number == count]) for count in np.unique(number).tolist()]
    built: list[tuple[int, Series]] = []
    for count, own in rows_by_number:
        index = samples.ends[places[own]][:, :, None] - count + np.arange(count)
        at = samples.at[index]
        is_one = (at == at[:, :1]).all(axis=(1, 2)) & ~is_unordered[places[own]].any(axis=1)
        values = samples.read(index[is_one]).transpose(0, 2, 1)
        built += _build(shape, own[is_one], at[is_one, 0], values)
    built.sort(key=lambda pair: pair[0])
    is_read = np.zeros(len(shape.keys), dtype=np.bool_)
    is_read[[row for row, _ in built]] = True
    numbers = answer.ids[positions][places[is_read, 0]].tolist()
    series = [entry for _, entry in built]
    labels = {
        (entry.arm, entry.key): answer.catalogue.series[own].labels
        for entry, own in zip(series, numbers, strict=True)
    }
    return WholeSeries(series, labels), is_read


def _find_even(samples: Samples, places: Positions, rows: Positions) -> tuple[Positions, Positions]:
    """Return which series have equally many samples in all buckets, and how many."""
    numbers = samples.numbers[places[rows]]
    is_even = (numbers == numbers[:, :1]).all(axis=1) & (numbers[:, 0] > 0)
    return rows[is_even], numbers[is_even, 0]


def _build(shape: Shape, rows: Positions, at: Floats, values: Floats) -> list[tuple[int, Series]]:
    """Return row and series of these, with times (rows, n) and cumulative counts (rows, n, K)."""
    built = []
    for row, times, own in zip(rows.tolist(), at.tolist(), values.tolist(), strict=True):
        arm, key = shape.keys[row]
        entry = Series(
            key,
            arm,
            tuple(zip(times, map(tuple, own), strict=True)),
            bad=shape.is_bad is not None and bool(shape.is_bad[row]),
            edges=shape.edges,
            process=shape.processes.get((arm, key), ""),
        )
        built.append((row, entry))
    return built
