"""What the labels of an answer's series mean, worked out once: they are the same at every look."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import count, pairwise
from math import isnan
from typing import NamedTuple

import numpy as np
from pydantic_core import from_json

from rollout.errors import ObserveError
from rollout.observe.bulk.layout import Positions, Shape
from rollout.observe.bulk.row_texts import MANY, RowTexts
from rollout.observe.matrix import (
    Item,
    make_series_key,
    read_matrix,
    read_process_of_target,
)
from rollout.observe.native import number as number_of
from rollout.observe.selectors.source import Source

_EDGE = b'"le":"'
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


@dataclass(frozen=True)
class BulkAnswer:
    """An answer's rows with the number of each row's label set in the catalogue."""

    catalogue: Catalogue
    rows: RowTexts
    ids: Positions

    def find(self, version: Version) -> Positions:
        """Return the places of a version's rows."""
        return np.flatnonzero(self._groups == self.catalogue.versions.get(version, -1))

    @cached_property
    def _groups(self) -> Positions:
        catalogue = self.catalogue
        groups = np.array(catalogue.groups, dtype=np.intp)[np.array(catalogue.owners)]
        numbers: Positions = groups[self.ids]
        return numbers

    def read_items(self, positions: Positions) -> dict[Version, list[Item]]:
        """Return rows one by one, checked, by version. Raises ObserveError."""
        places = positions.tolist()
        try:
            rows = [self.rows[position] for position in places]
        except ValueError:
            raise ObserveError("the answer of Prometheus holds no series") from None
        items = read_matrix(rows)
        groups: dict[Version, list[Item]] = {}
        for position, item in zip(places, items, strict=True):
            version = self.catalogue.series[self.ids[position]].version
            groups.setdefault(version, []).append(item)
        return groups


@dataclass
class Catalogue:
    """The label sets of one source, with the shape of each guardrail's series.

    Of each set it has the series that it is of, its number among them (`owners`), and the edge of
    its bucket; of each series the number of its version.
    """

    source: Source
    series: list[SeriesLabels] = field(default_factory=list)
    owners: list[int] = field(default_factory=list)
    edges: list[float | None] = field(default_factory=list)
    groups: list[int] = field(default_factory=list)
    versions: dict[Version, int] = field(default_factory=dict)
    shapes: dict[tuple[str, str], Shape] = field(default_factory=dict)
    _numbers: dict[bytes, int] = field(default_factory=dict)  # of label sets, by their text
    _series: list[SeriesLabels] = field(default_factory=list)
    _of_rest: dict[bytes, int] = field(default_factory=dict)  # series by text without the edge
    _edges: dict[bytes, float | None] = field(default_factory=dict)

    def read(self, rows: RowTexts) -> BulkAnswer:
        """Return an answer with its label sets. Raises ObserveError if it is not a matrix."""
        if len(self.series) > _SPARE * len(rows) + MANY:
            self.__init__(self.source)  # type: ignore[misc]
        numbers = [*map(self._numbers.get, rows.labels)]
        if None in numbers:
            self._add(
                [text for text, number in zip(rows.labels, numbers, strict=True) if number is None]
            )
            numbers = [*map(self._numbers.get, rows.labels)]
        return BulkAnswer(self, rows, np.array(numbers, dtype=np.intp))

    def group_by_series(self, ids: Positions) -> Iterator[list[int]]:
        """Yield the numbers of these label sets by the series that they are of."""
        numbers = np.unique(ids)
        owners = np.array(self.owners, dtype=np.intp)[numbers]
        order = np.argsort(owners, kind="stable")
        bounds = np.flatnonzero(np.diff(owners[order], prepend=-1)).tolist()
        ordered = numbers[order].tolist()
        for start, end in pairwise([*bounds, len(ordered)]):
            yield ordered[start:end]

    def _add(self, texts: Sequence[bytes]) -> None:
        """Take up label sets that are new. Very many are, at first: a call more would be felt."""
        of_rest, is_declared = self._of_rest, self._is_edge_declared
        owners, edges = list[int](), list[bytes]()
        different = [*dict.fromkeys(texts)]
        for text in different:
            before, _, after = text.partition(_EDGE)
            edge, _, behind = after.partition(b'"')
            # A series has very many buckets, and all of their other labels say the same.
            rest = text if is_declared else before + behind
            if before[-1:] == b"\\":  # it ends the name of another label
                rest, edge = text, _read_labels(text).get("le", "").encode()
            if (owner := of_rest.get(rest)) is None:
                owner = self._take_up(text)
                of_rest[rest] = owner
            owners.append(owner)
            edges.append(edge)
        self._edges |= {edge: _read_edge(edge) for edge in {*edges} - self._edges.keys()}
        self._numbers.update(zip(different, count(len(self.series)), strict=False))
        self.series += map(self._series.__getitem__, owners)
        self.edges += map(self._edges.__getitem__, edges)
        self.owners += owners

    def _take_up(self, text: bytes) -> int:
        """Return the number of a series that is new. Raises ObserveError."""
        series = self._read_series(text)
        self._series.append(series)
        self.groups.append(self.versions[series.version])
        return len(self._series) - 1

    @cached_property
    def _is_edge_declared(self) -> bool:
        return "le" in self.source.declared

    def _read_series(self, text: bytes) -> SeriesLabels:
        labels = _read_labels(text)
        version = self.source.find_version(labels)
        self.versions.setdefault(version, len(self.versions))
        key, process = make_series_key(labels, self.source), read_process_of_target(labels)
        return SeriesLabels(labels, version, key, process)


def _read_labels(text: bytes) -> dict[str, str]:
    """Return a label set. Raises ObserveError for what is none."""
    try:
        labels: dict[str, str] = from_json(b"{" + text + b"}", cache_strings="keys")
    except ValueError:
        labels = {"": ""}
    if "" in labels or {*map(type, labels.values())} - {str}:
        raise ObserveError("the answer of Prometheus holds no series")
    return labels


def _read_edge(text: bytes) -> float | None:
    edge = number_of(text.decode(errors="replace"))
    return None if isnan(edge) else edge
