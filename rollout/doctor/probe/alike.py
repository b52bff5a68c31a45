"""Find what the samples alone hint at: targets that count alike, and series that are no counters.

An address and a name of it are two targets to Prometheus, and no label shows that they are one
process. Nor do samples that agree: processes that are served in turn count alike too. So it is told
before a rollout, and no look is refused for it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise

from analysis.counting.cursor import Key, Series
from rollout.observe.targets.processes import read_traits
from rollout.observe.twins import are_interleaved

_LEAST = 5
"""Changes that a counter must have shown: fewer agree by chance."""

_OFTEN = 4
"""Gaps of which one is a fall, in what is no counter."""

Labels = Mapping[Key, Mapping[str, str]]


def find_alike(series: Sequence[Series], labels: Labels) -> Iterator[tuple[Key, Key]]:
    """Yield a series of each of two targets all of whose series agree."""
    targets: dict[tuple[str, str], dict[object, Series]] = defaultdict(dict)
    for entry in series:
        own = labels[entry.arm, entry.key]
        if own.get("job") and own.get("instance"):
            targets[own["job"], own["instance"]][entry.arm, read_traits(own)] = entry
    groups: dict[object, list[dict[object, Series]]] = defaultdict(list)
    for (job, _), own_series in targets.items():
        groups[job, frozenset(own_series)].append(own_series)
    for group in groups.values():
        group.sort(key=_sum_newest)
        for first, second in pairwise(group):
            if _are_alike(first, second):
                yield _choose_key(first), _choose_key(second)


def find_no_counters(series: Sequence[Series]) -> Iterator[tuple[Series, int]]:
    """Yield series that fall again and again and rise by no more, with how often they fell.

    Small falls pass for jitter in a look, so the counts of an interval would hardly count at all.
    """
    for entry in series:
        totals = [values[-1] for _, values in entry.samples]
        falls = [before - after for before, after in pairwise(totals) if after < before]
        is_often = len(falls) >= max(_LEAST, (len(totals) - 1) / _OFTEN)
        if is_often and totals[-1] - totals[0] < sum(falls):
            yield entry, len(falls)


def _sum_newest(series: Mapping[object, Series]) -> float:
    return sum(entry.samples[-1][1][-1] for entry in series.values() if entry.samples)


def _are_alike(first: Mapping[object, Series], second: Mapping[object, Series]) -> bool:
    """Whether all series of two targets that change agree, and one has changed often."""
    pairs = [(first[name], second[name]) for name in first]
    moving = [pair for pair in pairs if any(_count_changes(entry) for entry in pair)]
    if not all({*_list_times(a)}.isdisjoint(_list_times(b)) for a, b in pairs):
        return False  # two targets are never scraped at one time
    is_often = any(min(map(_count_changes, pair)) >= _LEAST for pair in moving)
    return is_often and all(are_interleaved(*pair) for pair in moving)


def _list_times(series: Series) -> list[float]:
    return [at for at, _ in series.samples]


def _count_changes(series: Series) -> int:
    return sum(before != after for (_, before), (_, after) in pairwise(series.samples))


def _choose_key(series: Mapping[object, Series]) -> Key:
    entry = min(series.values(), key=lambda single: single.key)
    return entry.arm, entry.key
