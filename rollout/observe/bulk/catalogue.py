"""What the labels of an answer's series mean, worked out once: they are the same at every look."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import isnan
from typing import Any, NamedTuple

import numpy as np

from rollout.errors import ObserveError
from rollout.observe.bulk.layout import Positions, Shape
from rollout.observe.matrix import (
    Item,
    make_series_key,
    read_matrix,
    read_process_of_target,
)
from rollout.observe.native import number as number_of
from rollout.observe.selectors.source import Source

MANY = 400
"""Series from which an answer is read in bulk; smaller ones are quicker to read one by one."""

_SPARE = 2.0  # how many label sets are remembered for each that is there

Version = tuple[str, str]


class SeriesLabels(NamedTuple):
    """What the labels of a series say, those of all buckets of a histogram alike.

    `labels` are those of its first bucket; `process` is the scraped target, empty without one.
    """

    labels: Mapping[str, str]
    version: Version
    key: str
    process: str


class LabelSet(NamedTuple):
    """The labels of one Prometheus series: the series it is of, and the edge of its bucket."""

    series: SeriesLabels
    edge: float | None


@dataclass(frozen=True)
class BulkAnswer:
    """An answer's rows with the number of each row's label set in the catalogue."""

    catalogue: Catalogue
    rows: Sequence[Mapping[str, Any]]
    ids: Positions

    def find(self, version: Version) -> Positions:
        """Return the places of a version's rows."""
        number = self.catalogue.versions.get(version, -1)
        groups = np.array(self.catalogue.groups, dtype=np.intp)
        return np.flatnonzero(groups[self.ids] == number)

    def read_items(self, positions: Positions) -> dict[Version, list[Item]]:
        """Return rows one by one, checked, by version. Raises ObserveError."""
        places = positions.tolist()
        items = read_matrix([self.rows[position] for position in places])
        groups: dict[Version, list[Item]] = {}
        for position, item in zip(places, items, strict=True):
            version = self.catalogue.sets[self.ids[position]].series.version
            groups.setdefault(version, []).append(item)
        return groups


@dataclass
class _OfNames:
    """The label sets of the same names: their numbers and their series, by their values.

    A series has those but its bucket's edge, which is the value at `edge_at`.
    """

    edge_at: int
    numbers: dict[tuple[str, ...], int] = field(default_factory=dict)
    series: dict[tuple[str, ...], SeriesLabels] = field(default_factory=dict)


@dataclass
class Catalogue:
    """The label sets of one source, with the shape of each guardrail's series."""

    source: Source
    sets: list[LabelSet] = field(default_factory=list)
    groups: list[int] = field(default_factory=list)  # number of each label set's version
    versions: dict[Version, int] = field(default_factory=dict)
    shapes: dict[tuple[str, str], Shape] = field(default_factory=dict)
    _of_names: dict[tuple[str, ...], _OfNames] = field(default_factory=dict)
    _edges: dict[str, float | None] = field(default_factory=dict)

    def read(self, result: Sequence[Mapping[str, Any]]) -> BulkAnswer:
        """Return an answer with its label sets. Raises ObserveError if it is not a matrix."""
        if len(self.sets) > _SPARE * len(result) + MANY:
            self.__init__(self.source)  # type: ignore[misc]
        numbers: list[int] = []
        by_names = self._of_names
        try:
            for row in result:  # for each of very many rows: a call more would be felt
                labels = row["metric"]
                values = tuple(labels.values())
                of_names = by_names.get(tuple(labels))
                number = of_names.numbers.get(values) if of_names else None
                numbers.append(self._add(labels, values) if number is None else number)
        except (KeyError, TypeError, AttributeError):
            raise ObserveError("the answer of Prometheus holds no series") from None
        return BulkAnswer(self, result, np.array(numbers, dtype=np.intp))

    def _add(self, labels: Mapping[str, str], values: tuple[str, ...]) -> int:
        names, number = tuple(labels), len(self.sets)
        if (of_names := self._of_names.get(names)) is None:
            is_bucket = "le" in labels and "le" not in self.source.declared
            of_names = _OfNames(names.index("le") if is_bucket else len(names))
            self._of_names[names] = of_names
        # A series has very many buckets, and all of their other labels say the same.
        rest = values[: of_names.edge_at] + values[of_names.edge_at + 1 :]
        if (series := of_names.series.get(rest)) is None:
            series = of_names.series[rest] = self._read_series(labels)
        text = labels.get("le", "")
        edge = self._edges[text] if text in self._edges else self._read_edge(text)
        self.sets.append(LabelSet(series, edge))
        self.groups.append(self.versions[series.version])
        of_names.numbers[values] = number
        return number

    def _read_series(self, labels: Mapping[str, str]) -> SeriesLabels:
        if {*map(type, labels.values())} - {str}:
            raise ObserveError("the answer of Prometheus holds no series")
        version = self.source.find_version(labels)
        self.versions.setdefault(version, len(self.versions))
        key, process = make_series_key(labels, self.source), read_process_of_target(labels)
        return SeriesLabels(labels, version, key, process)

    def _read_edge(self, text: str) -> float | None:
        if not isinstance(text, str):
            raise ObserveError("the answer of Prometheus holds no series")
        edge = number_of(text)
        self._edges[text] = None if isnan(edge) else edge
        return self._edges[text]
