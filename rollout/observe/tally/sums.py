"""Sums up a look for the journal, bounded however many series there are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace

from analysis.counting.belief import Belief
from analysis.counting.change import Owed
from analysis.counting.cursor import Arm, Cursor, Key
from rollout.decide.record.tally import LATE, LookTally, cluster
from rollout.observe.query import QueryPart
from rollout.observe.tally.digests import DigestKey, Name
from rollout.observe.tally.standing import Standing

MOST_LISTED = 100
"""Targets behind the others, series in doubt or that fell a little, and sums, that a look lists.

Each takes about 35 bytes.
"""

_MISSED = 0.98  # scrape intervals behind the newest sample, from which a target missed a scrape
_ARMS: tuple[Arm, ...] = ("canary", "stable")


def build_tally(
    query_part: QueryPart, belief: Belief, after: Standing, key: DigestKey
) -> LookTally:
    """Return what the journal keeps of a look; `after` is where counting stands then."""
    cursor, counts = belief.cursor, belief.counts
    unlabelled = counts.canary_unlabelled, counts.stable_unlabelled
    apart = counts.canary_apart, counts.stable_apart
    name = key.of(query_part.rollout, query_part.guardrail)
    times = {arm: cursor.times(arm) for arm in _ARMS}
    until = max(at for of_arm in times.values() for at in of_arm)
    newest = max((query_part.cursor.newest(arm) or 0.0 for arm in _ARMS), default=0.0)
    first = _find_first(query_part.cursor, cursor)
    behind = _list_behind(cursor, after, name, until - LATE * query_part.scrape)
    doubted = {name(f"{arm} {series}"): end for (arm, series), end in cursor.doubted.items()}
    held = sorted(name(f"{arm} {series}") for arm, series in cursor.held)
    return LookTally(
        canary=counts.canary,
        stable=counts.stable,
        edges=cursor.edges if cursor.grid is None else (),
        unlabelled=unlabelled if any(unlabelled) else None,
        apart=apart if any(map(any, apart)) else None,
        key=key.id,
        until=until,
        canary_times=cluster(times["canary"], query_part.scrape),
        stable_times=cluster(times["stable"], query_part.scrape),
        began=cursor.began,
        pace=cursor.pace,
        grid=cursor.grid,
        behind=dict(behind[:MOST_LISTED]),
        since=first if first and first < newest - _MISSED * query_part.scrape else None,
        first=first if first and first < newest else None,
        behind_more=len(behind[MOST_LISTED:]),
        doubted=dict(sorted(doubted.items(), key=lambda item: -item[1])[:MOST_LISTED]),
        held=tuple(held[:MOST_LISTED]),
        held_more=len(held[MOST_LISTED:]),
        sums=_list_sums(cursor, name),
        lost=tuple(sorted(after.lost)),
    )


def _list_sums(cursor: Cursor, name: Name) -> dict[str, tuple[float, ...]]:
    """Return what is known of the sums over processes; of many, those that fell most."""
    if not cursor.paces and not cursor.owed:
        return {}
    keys = sorted(
        {*cursor.owed, *cursor.paces},
        key=lambda key: (-sum(cursor.owed[key].units) if key in cursor.owed else 0, key),
    )
    return {
        name(f"{arm} {series}"): (
            cursor.paces.get((arm, series), 0.0),
            *_write_owed(cursor.owed.get((arm, series))),
        )
        for arm, series in keys[:MOST_LISTED]
    }


def _write_owed(owed: Owed | None) -> tuple[float, ...]:
    return () if owed is None else (owed.least, owed.seconds, *owed.units)


def with_sums(cursor: Cursor, mark: LookTally, name: Name) -> Cursor:
    """Return the cursor with what a look recorded of sums over processes."""
    owed: dict[Key, Owed] = {}
    paces: dict[Key, float] = {}
    for arm, series in cursor.last if mark.sums else ():
        pace, *rest = mark.sums.get(name(f"{arm} {series}"), (0.0,))
        if pace:
            paces[arm, series] = pace
        if rest:
            least, seconds, *units = rest
            owed[arm, series] = Owed(tuple(map(int, units)), int(least), seconds)
    return replace(cursor, owed=owed, paces=paces)


def _find_first(before: Cursor, after: Cursor) -> float | None:
    """Return from when the first series is counted in this look; None where none moved on.

    The times that fewer series stand at than before are those from which some have moved on.
    """
    return min(
        (at for arm in _ARMS for at in Counter(before.times(arm)) - Counter(after.times(arm))),
        default=None,
    )


def _list_behind(
    cursor: Cursor, after: Standing, name: Name, late: float
) -> list[tuple[str, float]]:
    """Return the targets without a sample since `late`, by digest, newest first."""
    if not after.gone and min(map(min, filter(None, _iterate_times(cursor))), default=late) >= late:
        return []
    newest: dict[str, float] = {}
    for (arm, key), (at, _) in cursor.last.items():
        target = after.processes.get((arm, key)) or f"{arm} {key}"
        newest[target] = max(at, newest.get(target, at))
    behind = {name(target): at for target, at in newest.items() if at < late}
    return sorted({**after.gone, **behind}.items(), key=lambda item: (-item[1], item[0]))


def _iterate_times(cursor: Cursor) -> Iterator[Mapping[float, int]]:
    yield cursor.times("canary")
    yield cursor.times("stable")
