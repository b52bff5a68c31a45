"""Counts only what a process could have served between two scrapes, series by series.

How it works: `count_believed` puts the series of a look in one layout, learns the pace of those
that only rise, and walks along the new samples of each (see `walk`), before anything is added up.
What the walks believe is added up by version. Of very many series those
that only rise are counted beforehand and all at once (see `plain`), and come out as they would
here. A doubt that no walk can resolve raises, so that the look moves nothing and the next one
judges the same samples again, together with newer ones.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from operator import add

from analysis.counting.change import Left, Owed, limit_pace
from analysis.counting.counts import Counts, EvidenceError
from analysis.counting.cursor import (
    Arm,
    Cursor,
    Key,
    Sample,
    Series,
    advance,
    buckets,
    check,
    in_one_layout,
)
from analysis.counting.layout import on_common_edges
from analysis.counting.origin import Origin, Origins, series_id
from analysis.counting.plain import NOTHING, Plain
from analysis.counting.siblings import Company, Point, SeriesPoints
from analysis.counting.table import EndedSeries, SampleTable
from analysis.counting.walk import Walk
from analysis.fast_replace import replace

_ARMS: tuple[Arm, ...] = ("canary", "stable")
_UNKNOWN = Origin("a series")


class DoubtError(EvidenceError):
    """A change of the series with this key is doubted, and its samples do not resolve it."""

    def __init__(self, message: str, key: tuple[Arm, str]) -> None:
        self.key = key
        super().__init__(message)


@dataclass(frozen=True)
class Belief:
    """One look's counts, the cursor after it, and in words what was not believed."""

    cursor: Cursor
    counts: Counts
    unbelieved: tuple[str, ...] = ()


def count_look(cursor: Cursor, series: Sequence[Series], origins: Origins | None) -> Belief:
    """Count by the rule that the samples were read for: without `origins` it is `advance`.

    Journals from before the evidence was recorded are counted as they were. Raises EvidenceError.
    """
    if origins is None:
        return Belief(*advance(cursor, series))
    return count_believed(cursor, series, origins)


def count_believed(
    cursor: Cursor, series: Sequence[Series], origins: Origins, plain: Plain = NOTHING
) -> Belief:
    """Count what is believed of the samples newer than the cursor, and move the cursor.

    `plain` are more series, which only rise and are counted already; the cursor is a table then,
    of the layout that all series share.

    The counts are at most what the processes served, and equal to it where the samples and the
    evidence in `origins` can show it. Raises DoubtError, with the reason in words and without
    label values, where a change is doubted and not resolved, and EvidenceError as `cursor.check`.
    """
    cursor, lines = _prepare(cursor, series)
    pace = _find_pace(cursor, lines, plain)
    leapt = _list_leapt(cursor, lines)
    company = Company.of(lines, pace, cursor.left)
    ended = EndedSeries(cursor.last, ({line.key for line in lines if line.points}, plain))
    changed, doubted = dict[Key, Sample](), dict(cursor.doubted)
    held, left = set(cursor.held), dict[Key, Left | None](cursor.left)
    owed, paces = dict[Key, Owed | None](cursor.owed), dict(cursor.paces)
    totals: dict[Arm, list[int]] = {arm: [0] * (len(cursor.edges) or 2) for arm in _ARMS}
    words: list[str] = []
    unlabelled: dict[Arm, int] = dict.fromkeys(_ARMS, 0)
    apart: dict[Arm, tuple[int, ...]] = dict.fromkeys(_ARMS, ())
    for line in lines:
        if not line.points:
            continue
        origin = origins.get(series_id(*line.key), _UNKNOWN)
        if plain.keys:
            pace = max(pace, plain.find_pace_before(line.key))
        siblings, remembered = company.find(line), cursor.doubted.get(line.key)
        walk = Walk(
            origin,
            line.limit(pace),
            remembered=remembered,
            siblings=siblings,
            left=cursor.left.get(line.key),
            is_sum=line.series.is_sum,
            owed=cursor.owed.get(line.key),
            own_pace=cursor.paces.get(line.key, 0.0),
            began=cursor.began,
        )
        _begin(walk, line, cursor, ended)
        try:
            units = walk.finish(siblings.leave_out_dips(line.key, line.points))
        except EvidenceError as error:
            raise DoubtError(str(error), line.key) from None
        changed[line.key] = walk.last
        is_teaching = line.series.process not in leapt or line.leaps(cursor.pace)
        pace = line.teach(pace, walk.pace) if is_teaching else pace
        (held.add if walk.is_held else held.discard)(line.key)
        if walk.remembered is not None:
            doubted[line.key] = walk.remembered
        # What fell before the baseline has counted nothing, so there is nothing to take back.
        left[line.key] = walk.left if cursor.started else None
        owed[line.key], paces[line.key] = walk.owed, walk.own_pace
        if cursor.started:
            _add(totals[line.series.arm], line.series, units)
            unlabelled[line.series.arm] += sum(units) * line.series.unlabelled
            apart[line.series.arm] = line.series.add_apart(apart[line.series.arm], units)
            words += walk.words
    if cursor.started and plain.keys:
        for arm, total in totals.items():
            total[:] = map(add, total, plain.add_up(arm))
    canary, stable = (tuple(totals[arm]) for arm in _ARMS)
    counts = Counts(
        canary,
        stable,
        cursor.edges,
        unlabelled["canary"],
        unlabelled["stable"],
        apart["canary"],
        apart["stable"],
    )
    last = _update(cursor.last, changed, plain)
    doubted = {key: until for key, until in doubted.items() if until > last[key][0]}
    cursor = replace(
        cursor,
        last=last,
        pace=max(pace, plain.highest),
        doubted=doubted,
        held=frozenset(key for key in held if key not in plain),
        left={key: of for key, of in left.items() if of is not None},
        owed={key: of for key, of in owed.items() if of is not None},
        paces={key: own for key, own in paces.items() if own},
    )
    return Belief(cursor.after_baseline(), counts, tuple(dict.fromkeys(words)))


def find_open(
    cursor: Cursor, series: Sequence[Series], plain: Plain = NOTHING
) -> set[tuple[Arm, str]]:
    """Return the series whose evidence matters: those that were born, leapt, or fell lately.

    Raises EvidenceError as `count_believed` does for layouts and values.
    """
    cursor, lines = _prepare(cursor, series)
    pace = _find_pace(cursor, lines, plain)
    fell = {line.key for line in lines if line.points and line.key in cursor.left}
    fell |= {line.key for line in lines if _may_be_back(line, cursor, pace)}
    return fell | {line.key for line in lines if line.is_open(pace, started=cursor.started)}


def _may_be_back(line: SeriesPoints, cursor: Cursor, pace: float) -> bool:
    """Whether a sum that fell rises by so much that a lost member may be back."""
    owed, own = cursor.owed.get(line.key), cursor.paces.get(line.key) or pace
    return owed is not None and any(
        owed.may_be_back(sum(after) - sum(before), end - start, own)
        for (start, before), (end, after) in line.gaps
    )


def _prepare(cursor: Cursor, series: Sequence[Series]) -> tuple[Cursor, list[SeriesPoints]]:
    """Put cursor and series in one layout; order the series, so that their order has no say."""
    cursor, series = on_common_edges(*in_one_layout(cursor, series))
    lines = []
    for entry in sorted(series, key=lambda entry: (entry.arm, entry.key)):
        sample = cursor.last.get((entry.arm, entry.key))
        points = tuple(
            (at, buckets(check(values)))
            for at, values in entry.samples
            if sample is None or at > sample[0]
        )
        lines.append(SeriesPoints(entry, _as_point(sample) if sample else None, points))
    return cursor, lines


def _as_point(sample: Sample) -> Point:
    return sample[0], buckets(tuple(map(round, sample[1])))


def _find_pace(cursor: Cursor, lines: Sequence[SeriesPoints], plain: Plain) -> float:
    """Return the pace of the series that only rise, as far as it does not jump itself.

    A series that was doubted lately does not teach by what it is judged.
    """
    leapt = _list_leapt(cursor, lines)
    teaching = [line for line in lines if line.key not in cursor.doubted and not line.series.amount]
    paces = [line.find_pace(cursor.pace) for line in teaching if line.series.process not in leapt]
    return limit_pace(cursor.pace, max([plain.highest, *paces]))


def _list_leapt(cursor: Cursor, lines: Sequence[SeriesPoints]) -> set[str]:
    """Return the targets of which a series leaps: another process may have answered there."""
    return {line.series.process for line in lines if line.leaps(cursor.pace)} - {""}


def _update(
    last: Mapping[Key, Sample], changed: Mapping[Key, Sample], plain: Plain
) -> Mapping[Key, Sample]:
    """Return the last samples after a look."""
    if not isinstance(last, SampleTable):
        return {**last, **changed}
    table = last.updated(plain.keys, plain.at, plain.values) if plain.keys else last
    if not changed:
        return table
    newer = SampleTable.of(changed, table.width)
    return table.updated(newer.keys_in_order, newer.at, newer.values_at)


def _add(total: list[int], series: Series, units: tuple[int, ...]) -> None:
    total[:] = map(add, total, series.kinds(units))


def _begin(walk: Walk, line: SeriesPoints, cursor: Cursor, ended: EndedSeries) -> None:
    """Let a walk stand at the last counted sample, or at the birth."""
    if line.last is not None:
        walk.stand(line.last)
        return
    walk.stand(line.points[0])
    if cursor.started:
        # Where siblings in the same scrape show the birth, none of them ended.
        is_renamed = walk.origin.by != "scrape" and ended.may_go_on(
            line.series.arm, max(walk.origin.zeros, default=0.0), sum(line.points[0][1])
        )
        walk.count_birth(cursor.began, is_renamed=is_renamed)
