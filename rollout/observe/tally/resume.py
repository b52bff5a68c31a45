"""Takes counting up where the journal says it stood: the last samples, read again at their times.

A target's last counted sample is its newest one at the recorded time, unless the tally lists it as
behind: then it is the newest at its own time. What cannot be read again makes the next samples a
baseline, which is said; nothing is ever counted twice.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from itertools import chain

from analysis.counting.belief import DoubtError, count_believed
from analysis.counting.change import find_fall
from analysis.counting.counts import EvidenceError
from analysis.counting.cursor import Arm, Cursor, Sample, Series, check
from analysis.counting.layout import on_edges
from rollout.decide.record.tally import LATE, LookTally
from rollout.observe.bulk.ends import Ends
from rollout.observe.evidence import RawPart
from rollout.observe.query import QueryPart, build_text
from rollout.observe.selectors.source import Source
from rollout.observe.tally.digests import DigestKey, Name
from rollout.observe.tally.standing import Standing, list_processes, target_of
from rollout.observe.tally.sums import with_sums
from rollout.observe.twins import drop_twins

WINDOW = 10
"""Scrapes before the recorded time that are read; a target that is silent for longer is `gone`."""

OTHER_KEY = "the key of the journal's digests is new or lost: every series is a baseline"
NOT_THERE = (
    "Prometheus no longer has the samples that were counted last: every series is a baseline"
)

Resumed = tuple[str, Source, float, Sequence[tuple[QueryPart, LookTally]]]
"""A query for the last counted samples: its text, source, time and parts."""

NO_ENDS = Ends()
_ARMS: frozenset[Arm] = frozenset(("canary", "stable"))
_TOGETHER = 600.0  # seconds between looks that are read again in one query
_FRESH, _SLACK = 2.5, 0.1  # scrapes within which every series must be there again


def resume_queries(
    waiting: Sequence[tuple[Source, QueryPart, LookTally]],
) -> Iterator[Resumed]:
    """Yield queries for the samples before the recorded times."""
    groups: dict[tuple[Source, int], list[tuple[QueryPart, LookTally]]] = {}
    for source, query_part, mark in waiting:
        groups.setdefault((source, int(mark.until // _TOGETHER)), []).append((query_part, mark))
    for (source, _), pairs in groups.items():
        until = max(mark.until for _, mark in pairs)
        window = max(
            until - mark.until + WINDOW * query_part.scrape + query_part.lag
            for query_part, mark in pairs
        )
        yield (
            build_text(source, [query_part for query_part, _ in pairs], window),
            source,
            until,
            pairs,
        )


def resume(raw: RawPart, mark: LookTally, key: DigestKey, ends: Ends = NO_ENDS) -> Standing:
    """Return where counting stands by samples up to the recorded time. Raises ObserveError.

    `ends` are more series, by their last samples alone.
    """
    if mark.key != key.id:
        return _begin_anew(mark, OTHER_KEY)
    query_part = raw.query_part
    name = key.of(query_part.rollout, query_part.guardrail)
    counted = {at for arm in _ARMS for at, _ in mark.last_times(arm)}
    last = {
        (entry.arm, entry.key): entry.samples[-1]
        for entry in raw.series
        if not counted.isdisjoint(at for at, _ in entry.samples)
    }
    series, _ = drop_twins(raw.series, raw.labels, raw.fixed, Cursor(last))
    limits = mark.behind
    read = [_keep_until(entry, limits.get(name(target_of(entry)), mark.until)) for entry in series]
    read = [entry for entry in read if entry.samples]
    uncounted = _list_uncounted(read, ends, mark, name, mark.until - LATE * query_part.scrape)
    read = [entry for entry in read if target_of(entry) not in uncounted]
    ends = ends.without(uncounted)
    times = _list_times(read, ends)
    if not _is_complete(times, mark, query_part.scrape):
        return _begin_anew(mark, NOT_THERE)
    try:
        cursor = _build_cursor(read, mark, name, ends)
    except EvidenceError:
        return _begin_anew(mark, NOT_THERE)
    processes, words = {**ends.processes, **list_processes(read)}, _describe_losses(mark)
    gone = _list_gone(read, ends, mark, name)
    return Standing(cursor, processes, gone, tuple(words), _find_lost(times, mark))


def _begin_anew(mark: LookTally, words: str) -> Standing:
    """Return a standing without series; what a series may serve is known still."""
    return Standing(Cursor(pace=mark.pace), words=(words,), lost=_ARMS)


def _list_uncounted(
    series: Sequence[Series], ends: Ends, mark: LookTally, name: Name, late: float
) -> set[str]:
    """Return the targets that are behind the others by more than the tally lists.

    They ended before the baseline, and no look has counted them: whatever they show when they are
    back may lie before it too.
    """
    times = chain(ends.table.at.tolist(), (entry.samples[-1][0] for entry in series))
    if mark.behind_more or min(times, default=late) >= late:
        return set()
    newest: dict[str, float] = {}
    of_series = ((target_of(entry), entry.samples[-1][0]) for entry in series)
    for target, at in chain(ends.iterate_targets(), of_series):
        newest[target] = max(at, newest.get(target, at))
    return {t for t, at in newest.items() if at < late and name(t) not in mark.behind}


def _list_gone(
    series: Sequence[Series], ends: Ends, mark: LookTally, name: Name
) -> Mapping[str, float]:
    """Return the targets that were behind the others and are not there now."""
    if not mark.behind:
        return {}
    present = {target for target, _ in ends.iterate_targets()} | {*map(target_of, series)}
    there = {*map(name, present)}
    return {target: at for target, at in mark.behind.items() if target not in there}


def _list_times(series: Sequence[Series], ends: Ends) -> Mapping[Arm, Sequence[float]]:
    """Return the times of the last samples of each version's series, newest first."""
    times: dict[Arm, list[float]] = {arm: [*ends.table.list_times(arm)] for arm in _ARMS}
    for entry in series:
        times[entry.arm].append(entry.samples[-1][0])
    return {arm: sorted(own, reverse=True) for arm, own in times.items()}


def _keep_until(series: Series, limit: float) -> Series:
    """Return the series with its samples up to a time, those left out that are no counts."""
    samples: list[Sample] = []
    for at, values in series.samples:
        with suppress(EvidenceError):
            if at <= limit:
                samples.append((at, tuple(map(float, check(values)))))
    return replace(series, samples=tuple(samples))


def _find_lost(times: Mapping[Arm, Sequence[float]], mark: LookTally) -> frozenset[Arm]:
    """Return the versions of which more series were counted than are there, now or before."""
    return frozenset(
        arm
        for arm in _ARMS
        if arm in mark.lost or len(times[arm]) < sum(number for _, number in mark.last_times(arm))
    )


def _is_complete(times: Mapping[Arm, Sequence[float]], mark: LookTally, scrape: float) -> bool:
    """Whether each series that was counted lately is there up to its last counted sample.

    A server that lacks the newest of these samples, another replica perhaps, would let what lies
    before them be counted once more.
    """
    fresh = mark.until - _FRESH * scrape
    for arm in _ARMS:
        counted = sorted(
            (at for at, number in mark.last_times(arm) if at >= fresh for _ in range(number)),
            reverse=True,
        )
        if len(times[arm]) < len(counted) or any(
            at < last - _SLACK * scrape for at, last in zip(times[arm], counted, strict=False)
        ):
            return False
    return True


def _build_cursor(series: Sequence[Series], mark: LookTally, name: Name, ends: Ends) -> Cursor:
    """Return the cursor that stands at the last samples. Raises EvidenceError.

    Where a counter had fallen by a unit or so, the samples before show the higher count, which
    stands. A tally that lists only some of these counters leaves open which others had.
    """
    if mark.grid is None:
        series = [on_edges(entry, mark.edges) for entry in series]
    edges = mark.layout if len(ends.table) else ()
    start = Cursor(grid=mark.grid, pace=mark.pace, edges=edges)
    last = [replace(entry, samples=entry.samples[-1:]) for entry in series]
    held = [mark.held_more > 0 or name(f"{entry.arm} {entry.key}") in mark.held for entry in series]
    try:
        read = [
            whole if is_held else end
            for whole, end, is_held in zip(series, last, held, strict=True)
        ]
        cursor = count_believed(start, read, {}).cursor
    except DoubtError:
        cursor = count_believed(start, last, {}).cursor
    if cursor.edges != mark.layout:
        raise EvidenceError("bucket layouts differ")
    keys = {name(f"{arm} {series}"): (arm, series) for arm, series in cursor.last}
    doubted = {keys[of]: end for of, end in mark.doubted.items() if of in keys}
    classic = () if mark.grid else series  # native ones are not on one grid here
    falls = ((key, find_fall(e.samples)) for e in classic if (key := (e.arm, e.key)) in doubted)
    return replace(
        with_sums(cursor, mark, name),
        last=ends.table.joined(cursor.last),
        started=mark.began is not None,
        began=mark.began,
        pace=mark.pace,
        doubted=doubted,
        # One before the baseline counted nothing, so there is nothing to take back.
        left={key: fall for key, fall in falls if fall and fall.at > (mark.began or math.inf)},
    )


def _describe_losses(mark: LookTally) -> Iterator[str]:
    if mark.behind_more:
        yield (
            f"after a restart {mark.behind_more:,} targets that were behind the others count from "
            "their samples of that time"
        )
