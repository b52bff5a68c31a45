"""Tells that one job scrapes one process twice, under labels that differ in the scrapes alone.

A pod behind two Services has a target for each, with one job and one address. One with two ports
has a target for each port, unless an annotation chooses one. Every target has its own moments, so
series of one process that never share a time, and take turns, are of two targets. A series that was
renamed misses the scrapes in which it had another name.
"""

from __future__ import annotations

import re
from bisect import bisect
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import combinations, pairwise

from analysis.counting.cursor import Key, Series
from rollout.errors import ObserveError
from rollout.observe.targets.moves import BREAK
from rollout.observe.targets.processes import read_process
from rollout.observe.twins import are_interleaved, list_differing

_POD = re.compile(r"(.*_)?pod(_name)?")
Labels = Mapping[Key, Mapping[str, str]]


def refuse_scraped_twice(
    series: Sequence[Series], labels: Labels, fixed: Iterable[str], scrape: float
) -> None:
    """Raise ObserveError where two targets of one job and process show the same counter.

    `fixed` are labels whose meaning the plan declares, in which both agree. `scrape` is in seconds.
    """
    for first, second in find_scraped_twice(series, labels, fixed, scrape):
        names = ", ".join(list_differing(labels[first], labels[second]))
        raise ObserveError(
            f"series that differ only in {names} show the same counts at other times: "
            "one process seems to be scraped twice"
        )


def find_scraped_twice(
    series: Sequence[Series], labels: Labels, fixed: Iterable[str], scrape: float
) -> Iterator[tuple[Key, Key]]:
    """Yield pairs of series that are one counter, shown by two targets of one process."""
    for first, second in _pair_phases(series, labels, fixed, scrape):
        if are_interleaved(first, second):
            yield (first.arm, first.key), (second.arm, second.key)


def list_several_ports(keys: Iterable[Key], labels: Labels) -> set[Key]:
    """Return the series of pods that a job scrapes at several ports."""
    hosts: dict[str, set[str]] = defaultdict(set)
    scraped: list[tuple[Key, Mapping[str, str], str]] = []
    for key in keys:
        own = labels[key]
        if own.get("job") and (instance := own.get("instance")):
            host = instance.rpartition(":")[0] or instance
            hosts[host].add(instance)
            scraped.append((key, own, host))
    ports: dict[object, dict[str, list[Key]]] = defaultdict(lambda: defaultdict(list))
    for key, own, host in scraped:
        if len(hosts[host]) > 1:
            ports[key[0], _read_one_process(own)][own["instance"]].append(key)
    several = (by_port.values() for by_port in ports.values() if len(by_port) > 1)
    return {key for groups in several for group in groups for key in group}


def _pair_phases(
    series: Sequence[Series], labels: Labels, fixed: Iterable[str], scrape: float
) -> Iterator[tuple[Series, Series]]:
    """Yield series of one process that are never scraped at one time, and miss no scrape."""
    phases: dict[object, list[Series]] = defaultdict(list)
    declared = sorted(fixed)
    for entry in series:
        own = labels[entry.arm, entry.key]
        if own.get("job") and own.get("instance"):
            outcome = tuple(own.get(name) for name in declared)
            phases[entry.arm, _read_one_process(own), outcome].append(entry)
    for group in phases.values():
        if len(group) > 1:
            yield from _compare(group, scrape)


def _read_one_process(labels: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """Return the labels that name the process of a series; of a pod, whichever port it shows."""
    process = read_process(labels)
    if not _has_pod(tuple(labels)):
        return process
    return tuple(
        (name, value.rpartition(":")[0] or value) if name == "instance" else (name, value)
        for name, value in process
    )


@lru_cache(maxsize=256)
def _has_pod(names: tuple[str, ...]) -> bool:
    """Return whether one of these labels names a pod; thousands of series have them."""
    return any(_POD.fullmatch(name) for name in names)


def _compare(group: Sequence[Series], scrape: float) -> Iterator[tuple[Series, Series]]:
    by_times: dict[tuple[float, ...], list[Series]] = defaultdict(list)
    for entry in group:
        by_times[tuple(at for at, _ in entry.samples)].append(entry)
    for times, others in combinations(by_times, 2):
        if _take_turns(times, others, scrape):
            pairs = ((a, b) for a in by_times[times] for b in by_times[others])
            yield from (pair for pair in pairs if pair[0].edges == pair[1].edges)


def _take_turns(times: Sequence[float], others: Sequence[float], scrape: float) -> bool:
    """Whether two series are scraped at moments of their own, one between two scrapes of the other.

    One that was renamed, and is back, has missed the scrapes between.
    """
    gaps = [*pairwise(times), *pairwise(others)]
    if not gaps or not {*times}.isdisjoint(others):
        return False
    longest = BREAK * min(scrape, *(end - start for start, end in gaps))
    turns = sum(
        end - start <= longest and bisect(between, start) < bisect(between, end)
        for between, own in ((others, times), (times, others))
        for start, end in pairwise(own)
    )
    return 2 * turns > len(gaps)
