"""Reads where the series of a large answer stood at a time, to go on counting from there."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np

from analysis.counting.cursor import Key
from analysis.counting.plain import are_counts
from analysis.counting.table import SampleTable
from rollout.observe.bulk.catalogue import BulkAnswer
from rollout.observe.bulk.layout import Flags, Positions, Shape
from rollout.observe.bulk.samples import Floats, Samples, read_samples


def _build_empty() -> SampleTable:
    return SampleTable([], np.empty(0), np.empty((0, 1)))


@dataclass(frozen=True)
class Ends:
    """The last samples of series up to a time; `processes` are their scraped targets."""

    table: SampleTable = field(default_factory=_build_empty)
    processes: Mapping[Key, str] = field(default_factory=dict)

    def iterate_targets(self) -> Iterator[tuple[str, float]]:
        """Yield target and time of each series; its own key is the target where it has none."""
        for (arm, key), at in zip(self.table, self.table.at.tolist(), strict=True):
            yield self.processes.get((arm, key)) or f"{arm} {key}", at

    def without(self, targets: Collection[str]) -> Ends:
        """Return the series of other targets."""
        if not targets:
            return self
        is_left = np.array(
            [target not in targets for target, _ in self.iterate_targets()], dtype=np.bool_
        )
        keys = [key for key, stays in zip(self.table, is_left, strict=True) if stays]
        table = SampleTable(keys, self.table.at[is_left], self.table.values_at[is_left])
        return Ends(table, {key: self.processes[key] for key in keys if key in self.processes})


@dataclass(frozen=True)
class Recorded:
    """What a look recorded of a shape's series: their `edges`, and of each until when it counted.

    `until` are unix times, (series,); `is_doubted` tells those that one sample says too little of.
    """

    edges: tuple[float, ...]
    until: Floats
    is_doubted: Flags


def read_ends(
    answer: BulkAnswer, positions: Positions, shape: Shape, recorded: Recorded
) -> tuple[Ends, Positions] | None:
    """Return the last samples that a look counted, and the rows that remain to be read one by one.

    None where all of them are.
    """
    edges = recorded.edges
    samples = read_samples(answer, positions)
    if samples is None or not set(edges) <= set(shape.edges) or bool(edges) != bool(shape.edges):
        return None
    ids = answer.ids[positions]
    row, places = shape.row_of[ids], shape.find_places(ids)
    remains = shape.is_odd | recorded.is_doubted
    remains[row[samples.find_unordered()]] = True
    try:
        if samples.are_alike(shape, places):
            return None
        at, values = _find_last(samples, places, recorded.until, remains)
    except ValueError:
        return None
    rows = np.flatnonzero(~remains & np.isfinite(at))
    keys = [shape.keys[own] for own in rows.tolist()]
    columns = [shape.edges.index(edge) for edge in edges] or [0]
    table = SampleTable(keys, at[rows], values[rows][:, columns])
    processes = {key: shape.processes[key] for key in keys if key in shape.processes}
    return Ends(table, processes), positions[remains[row]]


def _find_last(
    samples: Samples, places: Positions, limits: Floats, remains: Flags
) -> tuple[Floats, Floats]:
    """Return time and values of each series' last sample up to its limit; -inf without one.

    Marks in `remains` the series whose buckets differ in their times, and those that are no counts.
    """
    is_there = places >= 0
    numbers = np.where(is_there, samples.numbers[places], 0)
    remains |= (numbers.min(axis=1) != numbers.max(axis=1)) | (numbers[:, 0] == 0)
    ends_at, ends = np.full(len(places), -np.inf), np.zeros(places.shape)
    for number in np.unique(numbers[~remains, 0]).tolist():
        rows = np.flatnonzero(~remains & (numbers[:, 0] == number))
        index = samples.ends[places[rows]][:, :, None] - number + np.arange(number)
        times = samples.at[index]
        is_one = (times == times[:, :1]).all(axis=(1, 2))
        remains[rows[~is_one]] = True
        counted = (times[:, 0] <= limits[rows, None]).sum(axis=1)
        is_read = np.flatnonzero(is_one & (counted > 0))
        last = index[is_read, :, counted[is_read] - 1]
        values = samples.read(last)
        remains[rows[is_read[~are_counts(values[:, None, :])]]] = True
        ends_at[rows[is_read]], ends[rows[is_read]] = samples.at[last[:, 0]], values
    return ends_at, ends
