"""Series that are one counter, scraped twice: the same target under two jobs or two servers.

Labels alone tell most, and those count once. Else the samples tell, and the guardrail is refused:
they might tell otherwise at the next look.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise
from operator import le

from analysis.counting.cursor import Arm, Cursor, Series
from analysis.counting.table import rename_series
from rollout.errors import ObserveError

Key = tuple[Arm, str]
Labels = Mapping[Key, Mapping[str, str]]

# Labels that Prometheus servers add to everything that they scraped, one value for each server.
_REPLICA = ("prometheus_replica", "thanos_replica", "rule_replica", "receive_replica")
_SERVERS = frozenset({*_REPLICA, "__replica__"})
_SCRAPE = frozenset({"job", "endpoint", "service"})  # they name a scrape configuration's target
_EXPORTED_JOB, _EXPORTED_INSTANCE = "exported_job", "exported_instance"  # by a federation
_UNSURE = frozenset({"replica", "prometheus", "monitor"})  # of a server, or of the application
_PROCESS = re.compile(r"(.*_)?(pod|pod_name|instance)")  # labels of a process, or its address
_LIVE = 2.0  # scrapes for which a series may be silent that goes on


@dataclass(frozen=True)
class Twins:
    """Two series that are one counter: surely by their labels, else by their samples too.

    `differing` are the labels by which they differ.
    """

    first: Key
    second: Key
    differing: tuple[str, ...]
    is_sure: bool


def drop_twins(
    series: Sequence[Series], labels: Labels, fixed: Iterable[str], cursor: Cursor
) -> tuple[list[Series], list[str]]:
    """Return the series with one of each group of twins, and in words what was left out.

    Of twins the one that the cursor knows stays, so that the choice lasts from look to look.
    `fixed` are labels whose meaning the plan declares: they never name a scrape. Raises
    ObserveError for series that seem to be one counter although their labels leave it open.
    """
    dropped: set[Key] = set()
    words: list[str] = []
    for twins in find_twins(series, labels, fixed, cursor):
        names = ", ".join(twins.differing)
        if not twins.is_sure:
            raise ObserveError(
                f"series that differ only in {names} show the same counts: "
                "one process seems to be scraped twice"
            )
        dropped.add(twins.second)
        words.append(f"series that differ only in {names} count once")
    remaining = [entry for entry in series if (entry.arm, entry.key) not in dropped]
    return remaining, list(dict.fromkeys(words))


def find_twins(
    series: Sequence[Series], labels: Labels, fixed: Iterable[str], cursor: Cursor
) -> Iterator[Twins]:
    """Yield each series that is the twin of another one; of sure twins the second is left out."""
    judged: set[Key] = set()
    for group in _group_by_host(series, labels, fixed):
        dropped: set[Key] = set()
        group.sort(key=lambda entry: ((entry.arm, entry.key) not in cursor.last, entry.key))
        for first, second in combinations(group, 2):
            keys = (first.arm, first.key), (second.arm, second.key)
            if dropped.intersection(keys):
                continue
            differing = tuple(list_differing(labels[keys[0]], labels[keys[1]]))
            if _are_twins(differing, labels[keys[0]]):
                dropped.add(keys[1])
                judged.add(keys[1])
                yield Twins(*keys, differing, is_sure=True)
            elif _may_be_twins(differing) and are_interleaved(first, second):
                judged.add(keys[1])
                yield Twins(*keys, differing, is_sure=False)
    for first, second in _pair_jobs(series, labels, fixed):
        keys = (first.arm, first.key), (second.arm, second.key)
        if judged.intersection(keys):
            continue
        if _overlap(first, second) and are_interleaved(first, second):
            judged.add(keys[1])
            differing = tuple(list_differing(labels[keys[0]], labels[keys[1]]))
            yield Twins(*keys, differing, is_sure=False)


def follow_twins(
    cursor: Cursor, series: Sequence[Series], labels: Labels, fixed: Iterable[str], scrape: float
) -> Cursor:
    """Return the cursor with series that have ended under the names of twins that go on.

    By their labels these are the same counters, as of a job that was renamed or a scrape that took
    over from another, so nothing of them is lost, nor counted again when the first name is back.
    `scrape` is in seconds.
    """
    moved: dict[Key, Key] = {}
    for group in _group_by_host(series, labels, fixed):
        since = max(entry.samples[-1][0] for entry in group) - _LIVE * scrape
        keys = [((entry.arm, entry.key), entry.samples[-1][0] >= since) for entry in group]
        ended = [key for key, goes_on in keys if key in cursor.last and not goes_on]
        others = [key for key, goes_on in keys if goes_on]
        for key in ended:
            twins = [
                other
                for other in others
                if _are_twins(list_differing(labels[key], labels[other]), labels[key])
            ]
            if twins and not any(other in cursor.last for other in twins):
                moved[key] = twins[0]
    return rename_series(cursor, moved)


def list_suspects(series: Sequence[Series], labels: Labels, fixed: Iterable[str]) -> set[Key]:
    """Return the series whose labels allow that they are twins, with all that lie beside them."""
    suspects: set[Key] = set()
    for group in _group_by_host(series, labels, fixed):
        own = [labels[entry.arm, entry.key] for entry in group]
        if any(
            _are_twins(differing, first) or _may_be_twins(differing)
            for first, second in combinations(own, 2)
            for differing in [list_differing(first, second)]
        ):
            suspects.update((entry.arm, entry.key) for entry in group)
    for pair in _pair_jobs(series, labels, fixed):
        suspects.update((entry.arm, entry.key) for entry in pair)
    return suspects


def _group_by_host(
    series: Sequence[Series], labels: Labels, fixed: Iterable[str]
) -> Iterable[list[Series]]:
    """Return series that are equal but for the port and for labels that may name a scrape."""
    ignored = (_SERVERS | _SCRAPE | _UNSURE).difference(fixed) | {"le"}
    exported = {_EXPORTED_JOB}.difference(fixed)
    groups: dict[tuple[object, ...], list[Series]] = defaultdict(list)
    telling: dict[tuple[str, ...], tuple[str, ...]] = {}  # thousands of series have the same names
    for entry in series:
        own = labels[entry.arm, entry.key]
        if (rest := telling.get(names := tuple(own))) is None:
            ours = ignored | exported if _EXPORTED_INSTANCE in own else ignored
            rest = telling[names] = tuple(sorted({*own} - ours - {"instance"}))
        instance = own.get("instance", "")
        host = instance.rpartition(":")[0] or instance
        groups[entry.arm, host, rest, tuple(map(own.__getitem__, rest))].append(entry)
    return [group for group in groups.values() if len(group) > 1]


def _pair_jobs(
    series: Sequence[Series], labels: Labels, fixed: Iterable[str]
) -> Iterator[tuple[Series, Series]]:
    """Yield series of two jobs that may be one: both name one process, by whatever label.

    Each scrape configuration adds labels of its own, so only those that all jobs of a process have
    tell its series apart.
    """
    ignored = (_SERVERS | _SCRAPE | _UNSURE).difference(fixed) | {"le"}
    for group in _group_by_process(series, labels):
        owns = [labels[entry.arm, entry.key] for entry in group]
        names: dict[str, set[str]] = defaultdict(set)
        for own in owns:
            names[own.get("job", "")].update(own)
        common = sorted(
            name
            for name in set.intersection(*names.values()) - ignored
            if not _PROCESS.fullmatch(name)
        )
        alike: dict[tuple[str | None, ...], list[Series]] = defaultdict(list)
        for entry, own in zip(group, owns, strict=True):
            alike[tuple(own.get(name) for name in common)].append(entry)
        for first, second in (pair for same in alike.values() for pair in combinations(same, 2)):
            own, other = (labels[entry.arm, entry.key] for entry in (first, second))
            if own.get("job") != other.get("job"):
                yield first, second


def _group_by_process(series: Sequence[Series], labels: Labels) -> Iterator[list[Series]]:
    """Yield the series of each process that two jobs or more show, see `_name_process`."""
    jobs: dict[Arm, set[str | None]] = defaultdict(set)
    for entry in series:
        jobs[entry.arm].add(labels[entry.arm, entry.key].get("job"))
    if not any(len(of_arm) > 1 for of_arm in jobs.values()):
        return
    groups: dict[tuple[Arm, str], list[Series]] = defaultdict(list)
    for entry in series:
        if len(jobs[entry.arm]) > 1:
            for process in _name_process(labels[entry.arm, entry.key]):
                groups[entry.arm, process].append(entry)
    for group in groups.values():
        if len({labels[entry.arm, entry.key].get("job") for entry in group}) > 1:
            yield group


def _name_process(labels: Mapping[str, str]) -> set[str]:
    """Return the values by which labels name a process; of an address without its port."""
    values = (value for name, value in labels.items() if _PROCESS.fullmatch(name))
    return {value.rpartition(":")[0] or value for value in values if value}


def _overlap(first: Series, second: Series) -> bool:
    """Whether there are two series at one time, and not one that goes on under another name."""
    return (
        first.samples[0][0] < second.samples[-1][0] and second.samples[0][0] < first.samples[-1][0]
    )


def list_differing(labels: Mapping[str, str], other: Mapping[str, str]) -> list[str]:
    """Return the labels by which two series differ, whatever bucket or metric they are."""
    return sorted(
        name
        for name in labels.keys() | other.keys()
        if name not in {"__name__", "le"} and labels.get(name) != other.get(name)
    )


def _are_twins(differing: Sequence[str], labels: Mapping[str, str]) -> bool:
    """Whether labels alone show that one address was scraped twice."""
    names = set(differing)
    if names <= _SERVERS:
        return True
    if _EXPORTED_JOB in names:  # pushed series may have a host there, which processes share
        is_address = ":" in labels.get(_EXPORTED_INSTANCE, "")
        return is_address and names <= _SERVERS | {_EXPORTED_JOB}
    return bool(labels.get("instance")) and "job" in names and names <= _SERVERS | _SCRAPE


def _may_be_twins(differing: Sequence[str]) -> bool:
    """Whether it may be one process: two ports of one host in two jobs, or two servers."""
    names = set(differing)
    by_port = {"job", "instance"} <= names <= _SERVERS | _SCRAPE | {"instance"}
    return by_port or (bool(names & _UNSURE) and names <= _SERVERS | _UNSURE)


def are_interleaved(series: Series, other: Series) -> bool:
    """Whether the samples of two series, put in order of time, are those of one moving counter."""
    if series.edges != other.edges or series.schema != other.schema:
        return False
    if any(entry.samples[0][1] == entry.samples[-1][1] for entry in (series, other)):
        return False
    line = [values for _, values in sorted([*series.samples, *other.samples])]
    return all(all(map(le, before, after)) for before, after in pairwise(line))
