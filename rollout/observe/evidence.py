"""Finds when counters stood at 0: evidence for series that were born or fell, asked only for them.

How it works: `RawPart` is one guardrail's series with their labels, and says which of them are
open: their evidence matters. `build_queries` asks for the scrapes and start times of their targets
and for created timestamps, and `Evidence` holds the answers. `origins` puts them together.
"""

from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from analysis.counting.belief import find_open
from analysis.counting.cursor import Arm, Sample, Series
from analysis.counting.plain import NOTHING, Plain
from rollout.observe.matrix import (
    Item,
    by_version,
    make_series_key,
    read_matrix,
    read_samples,
)
from rollout.observe.query import LONGEST, Query, QueryPart, selector_of
from rollout.observe.selectors.promql import match_any
from rollout.observe.selectors.source import Source
from rollout.observe.targets.moves import (
    BREAK,
    StayTable,
    StayTables,
    find_plain_stays,
    find_stays,
    list_returns,
    list_times,
)
from rollout.observe.targets.processes import Target, read_process, read_target, read_traits

Key = tuple[Arm, str]

UP, START, UPTIME = "up", "process_start_time_seconds", "envoy_server_uptime"


@dataclass(frozen=True)
class RawPart:
    """One guardrail's series with all samples of the window, and their labels.

    Of very many series those that only rise are in `plain`, counted already; `newest` is then the
    time of the newest sample of all, else 0, and `processes` the scraped targets of all. `silent`
    are such series without a new sample, none of which may be one that came back.
    """

    query_part: QueryPart
    source: Source
    series: Sequence[Series]
    labels: Mapping[Key, Mapping[str, str]]
    plain: Plain = NOTHING
    newest: float = 0.0
    processes: Mapping[Key, str] = field(default_factory=dict)
    silent: frozenset[Key] = frozenset()

    @property
    def fixed(self) -> set[str]:
        """The labels whose meaning the plan declares."""
        return list_fixed(self.source, self.query_part)

    @cached_property
    def open(self) -> set[Key]:
        """The series whose evidence matters. Raises EvidenceError."""
        opened = find_open(self.query_part.cursor, self.series, self.plain)
        return opened | {*self.returned} | {*self.moved}

    @cached_property
    def by_target(self) -> Mapping[Target | None, Sequence[Series]]:
        """The series of each target."""
        groups: dict[Target | None, list[Series]] = defaultdict(list)
        for entry in self.series:
            groups[read_target(self.labels[entry.arm, entry.key])].append(entry)
        return groups

    @cached_property
    def newest_by_process(self) -> Mapping[str, Mapping[Key, Sample]]:
        """The newest sample of each series, by scraped target, of targets that have a new one."""
        last = self.query_part.cursor.last
        new = {entry.process for entry in self.series if (entry.arm, entry.key) not in last}
        newest: dict[str, dict[Key, Sample]] = {process: {} for process in new if process}
        for key, process in self.query_part.processes.items():
            if process in newest and key in last:
                newest[process][key] = last[key]
        for entry in self.series:
            if entry.process in newest and entry.samples:
                newest[entry.process][entry.arm, entry.key] = entry.samples[-1]
        return newest

    @cached_property
    def newest_of_all(self) -> float:
        """The time of the newest sample of all series."""
        return max(self.newest, *(entry.samples[-1][0] for entry in self.series))

    @cached_property
    def stays(self) -> StayTables:
        """When the series that do not only rise were there."""
        return find_stays(self)

    @cached_property
    def plain_stays(self) -> StayTables:
        """The last samples of the series that only rise."""
        return find_plain_stays(self)

    def is_beside(self, key: Key, entry: Series) -> bool:
        """Whether a series of the same process has a sample at the time of an entry's first one."""
        other, own = self.by_key.get(key), (entry.arm, entry.key)
        if other is None or other.process != entry.process:
            return False
        if read_process(self.labels[key]) != read_process(self.labels[own]):
            return False
        return entry.samples[0][0] in (at for at, _ in other.samples)

    @cached_property
    def by_key(self) -> dict[Key, Series]:
        """The series by their keys."""
        return {(entry.arm, entry.key): entry for entry in self.series}

    def number_of_traits(self, key: Key) -> int:
        """Return the number of a series' labels without those that name a process."""
        return self._traits.setdefault(read_traits(self.labels.get(key, {})), len(self._traits))

    def number_traits(self, table: StayTable) -> NDArray[np.intp]:
        """Return these numbers of a table's series: worked out once, each birth asks for them."""
        if id(table) not in self._numbers:
            self._numbers[id(table)] = np.array([*map(self.number_of_traits, table.keys)], np.intp)
        return self._numbers[id(table)]

    @cached_property
    def _traits(self) -> dict[frozenset[tuple[str, str]], int]:
        return {}

    @cached_property
    def _numbers(self) -> dict[int, NDArray[np.intp]]:
        return {}  # by a table that this part holds

    @cached_property
    def moved(self) -> dict[Key, tuple[float, ...]]:
        """By series when it came back that another one may have been meanwhile."""
        returns = {(entry.arm, entry.key): list_returns(self, entry) for entry in self.series}
        return {key: tuple(times) for key, times in returns.items() if times}

    @cached_property
    def returned(self) -> dict[Key, tuple[tuple[float, float], ...]]:
        """By series that came back, the scrapes of its target before it did and when it did.

        Series with times of their own, as a collector may write them, miss none of each other's.
        """
        returned = {}
        for target, group in self.by_target.items():
            by_series = {(entry.arm, entry.key): list_times(self, entry) for entry in group}
            scrapes = sorted({at for times in by_series.values() for at in times})
            if target is None or all(len(times) == len(scrapes) for times in by_series.values()):
                continue
            longest = BREAK * min(self.query_part.scrape, *map(_find_shortest, by_series.values()))
            for key, times in by_series.items():
                missed = (
                    (end, [at for at in scrapes if start < at < end])
                    for start, end in pairwise(times)
                    if end - start > longest
                )
                if back := tuple((max(between), end) for end, between in missed if between):
                    returned[key] = back
        return returned


def _find_shortest(times: Sequence[float]) -> float:
    """Return the shortest pause between samples of one series; infinite without any."""
    return min((end - start for start, end in pairwise(times)), default=math.inf)


def list_fixed(source: Source, query_part: QueryPart) -> set[str]:
    """Return the labels whose meaning a guardrail's plan declares."""
    metric = query_part.metric
    return {*source.declared, *metric.labels_of_outcome, metric.judge} - {""}


@dataclass
class Evidence:
    """What Prometheus has of the targets: by target and metric its rows; created by series.

    `starts` are those that were read from the rows, by the labels of a process.
    """

    rows: dict[Target, dict[str, list[Item]]] = field(
        default_factory=lambda: defaultdict(lambda: defaultdict(list))
    )
    created: dict[tuple[str, str, str], list[float]] = field(
        default_factory=lambda: defaultdict(list)
    )

    starts: dict[tuple[tuple[str, str], ...], list[tuple[float, float]]] = field(
        default_factory=dict
    )

    def add_targets(self, items: Iterable[Item]) -> None:
        """Add the answer on scrapes and start times."""
        self.starts.clear()
        for item in items:
            target = read_target(item.metric)
            if target:
                self.rows[target][item.metric.get("__name__", "")].append(item)

    def add_created(self, source: Source, items: Mapping[tuple[str, str], Sequence[Item]]) -> None:
        """Add the answer on created timestamps, grouped by service and version."""
        for (service, version), group in items.items():
            for item in group:
                key = make_series_key(item.metric, source)
                values = {value for value in read_samples(item).values() if value > 0}
                self.created[service, version, key] += sorted(values)


def find_evidence(
    query: Query, keys: Sequence[tuple[RawPart, Key]], run: Callable[[str], object]
) -> Evidence:
    """Ask when the counters of series stood at 0. `run` returns a query's result, or raises."""
    evidence = Evidence()
    for text, is_created in build_queries(query, keys):
        result = run(text)
        if is_created:
            evidence.add_created(query.source, by_version(query.source, result))
        else:
            evidence.add_targets(read_matrix(result))
    return evidence


def list_open(parts: Sequence[RawPart]) -> list[tuple[RawPart, Key]]:
    """Return the series whose evidence matters, with the part of each."""
    return [(raw, key) for raw in parts for key in raw.open]


def build_queries(query: Query, keys: Sequence[tuple[RawPart, Key]]) -> Iterator[tuple[str, bool]]:
    """Yield what to ask of the series' targets, and whether it is their created timestamps."""
    if not keys:
        return
    least = int(query.text[query.text.rindex("[") + 1 : -2])
    window = f"[{least + math.ceil(max(_find_unread(raw, key) for raw, key in keys))}s]"
    created = [re.sub(r"_(total|bucket)$", "", name) + "_created" for name in query.source.names]
    yield selector_of(created, query.source, query.parts) + window, True
    targets = {read_target(raw.labels[key]) for raw, key in keys} - {None}
    if targets:
        jobs, instances = (match_any({target[i] for target in targets if target}) for i in (0, 1))
        names = match_any((UP, START, UPTIME))
        yield f"{{__name__=~{names},job=~{jobs},instance=~{instances}}}{window}", False


def _find_unread(raw: RawPart, key: Key) -> float:
    """Return the seconds before what was read of a series to its last counted sample; else 0.

    The process that answered there tells whether the one that answers now is another.
    """
    entry, last = raw.by_key.get(key), raw.query_part.cursor.last.get(key)
    if entry is None or last is None or not entry.samples:
        return 0.0
    return min(max(0.0, entry.samples[0][0] - last[0]), LONGEST)
