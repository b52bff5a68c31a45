"""Series that are one counter, scraped twice: the same target under two jobs or two servers.

Labels alone tell most of them, and those count once. Where labels leave it open, the samples tell,
and the guardrail is refused: they might tell otherwise at the next look.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise
from operator import le

from analysis.counting.cursor import Arm, Cursor, Series
from rollout.errors import ObserveError

Key = tuple[Arm, str]
Labels = Mapping[Key, Mapping[str, str]]

# Labels that Prometheus servers add to everything that they scraped, one value for each server.
_SERVERS = frozenset(
    {"prometheus_replica", "thanos_replica", "rule_replica", "receive_replica", "__replica__"}
)
_SCRAPE = frozenset({"job", "endpoint", "service"})  # they name a scrape configuration's target
_UNSURE = frozenset({"replica", "prometheus", "monitor"})  # of a server, or of the application


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
    for group in _group_by_host(series, labels, fixed):
        dropped: set[Key] = set()
        group.sort(key=lambda entry: ((entry.arm, entry.key) not in cursor.last, entry.key))
        for first, second in combinations(group, 2):
            keys = (first.arm, first.key), (second.arm, second.key)
            if dropped.intersection(keys):
                continue
            differing = tuple(_list_differing(labels[keys[0]], labels[keys[1]]))
            if _are_twins(differing, labels[keys[0]]):
                dropped.add(keys[1])
                yield Twins(*keys, differing, is_sure=True)
            elif _may_be_twins(differing) and are_interleaved(first, second):
                yield Twins(*keys, differing, is_sure=False)


def list_suspects(series: Sequence[Series], labels: Labels, fixed: Iterable[str]) -> set[Key]:
    """Return the series whose labels allow that they are twins, with all that lie beside them."""
    suspects: set[Key] = set()
    for group in _group_by_host(series, labels, fixed):
        own = [labels[entry.arm, entry.key] for entry in group]
        if any(
            _are_twins(differing, first) or _may_be_twins(differing)
            for first, second in combinations(own, 2)
            for differing in [_list_differing(first, second)]
        ):
            suspects.update((entry.arm, entry.key) for entry in group)
    return suspects


def _group_by_host(
    series: Sequence[Series], labels: Labels, fixed: Iterable[str]
) -> Iterable[list[Series]]:
    """Group series that are equal but for the port and for labels that may name a scrape."""
    ignored = (_SERVERS | _SCRAPE | _UNSURE).difference(fixed) | {"le"}
    groups: dict[tuple[object, ...], list[Series]] = defaultdict(list)
    for entry in series:
        own = labels[entry.arm, entry.key]
        rest = {name: value for name, value in own.items() if name not in ignored}
        instance = rest.pop("instance", "")
        host = instance.rpartition(":")[0] or instance
        groups[entry.arm, host, tuple(sorted(rest.items()))].append(entry)
    return groups.values()


def _list_differing(labels: Mapping[str, str], other: Mapping[str, str]) -> list[str]:
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
