"""What the labels of an answer's series mean, worked out once: they are the same at every look."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import isnan
from typing import Any

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


@dataclass(frozen=True)
class LabelSet:
    """The labels of one Prometheus series: which version, series and bucket it is of.

    `process` is the scraped target; it and `edge` are empty or None where there is none.
    """

    labels: Mapping[str, str]
    version: Version
    key: str
    edge: float | None
    process: str


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
            version = self.catalogue.sets[self.ids[position]].version
            groups.setdefault(version, []).append(item)
        return groups


@dataclass
class Catalogue:
    """The label sets of one source, with the shape of each guardrail's series."""

    source: Source
    sets: list[LabelSet] = field(default_factory=list)
    groups: list[int] = field(default_factory=list)  # number of each label set's version
    versions: dict[Version, int] = field(default_factory=dict)
    shapes: dict[tuple[str, str], Shape] = field(default_factory=dict)
    _numbers: dict[tuple[str, ...], dict[tuple[str, ...], int]] = field(default_factory=dict)

    def read(self, result: Sequence[Mapping[str, Any]]) -> BulkAnswer:
        """Return an answer with its label sets. Raises ObserveError if it is not a matrix."""
        if len(self.sets) > _SPARE * len(result) + MANY:
            self.__init__(self.source)  # type: ignore[misc]
        numbers: list[int] = []
        no_values: dict[tuple[str, ...], int] = {}
        try:
            for row in result:  # for each of very many rows: a call more would be felt
                labels = row["metric"]
                values = tuple(labels.values())
                number = self._numbers.get(tuple(labels), no_values).get(values)
                numbers.append(self._add(labels, values) if number is None else number)
        except (KeyError, TypeError, AttributeError):
            raise ObserveError("the answer of Prometheus holds no series") from None
        return BulkAnswer(self, result, np.array(numbers, dtype=np.intp))

    def _add(self, labels: Mapping[str, str], values: tuple[str, ...]) -> int:
        if {*map(type, values)} - {str}:
            raise ObserveError("the answer of Prometheus holds no series")
        source, number = self.source, len(self.sets)
        version = source.find_version(labels)
        edge = number_of(labels.get("le", ""))
        key, process = make_series_key(labels, source), read_process_of_target(labels)
        self.sets.append(LabelSet(labels, version, key, None if isnan(edge) else edge, process))
        self.groups.append(self.versions.setdefault(version, len(self.versions)))
        self._numbers.setdefault(tuple(labels), {})[values] = number
        return number
