"""Puts together when counters stood at 0, for the series of a guardrail that were born or fell."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from itertools import pairwise

from analysis.counting.change import is_leap
from analysis.counting.cursor import Series
from analysis.counting.origin import By, Origin, series_id
from analysis.counting.walk import REMEMBERED
from rollout.observe.evidence import (
    START,
    UP,
    UPTIME,
    Evidence,
    Key,
    RawPart,
)
from rollout.observe.matrix import Item, label_names, read_samples
from rollout.observe.targets.moves import BREAK, is_moved, list_times
from rollout.observe.targets.processes import read_process, read_target

_PROXY = ("envoy_", "istio_")  # metrics that a proxy counts, whatever else its endpoint shows
_ERROR = 2.0  # seconds by which a start time may be wrong: uptimes are whole, so are boot times
_SOON = 1e-3  # seconds


def find_origins(raw: RawPart, evidence: Evidence) -> dict[str, Origin]:
    """Return what is known of each open series, and of the siblings of one that fell."""
    still_open = raw.open
    fallen = {read_process(raw.labels[key]) for key in still_open if not _is_new(raw, key)}
    origins = {}
    for entry in raw.series:
        key = entry.arm, entry.key
        labels = raw.labels[key]
        is_new = _is_new(raw, key)
        if key not in still_open and (is_new or read_process(labels) not in fallen):
            continue
        find = _find_birth if is_new else _find_falls
        # What was counted before a restart is not born, whatever its target shows.
        is_gone = is_new and raw.query_part.is_gone(entry)
        origin = Origin("") if is_gone else find(raw, entry, evidence)
        if key in still_open or origin.zeros:
            name = label_names(labels, raw.source)
            origins[series_id(*key)] = Origin(name, origin.zeros, origin.by)
    return origins | _list_hidden(raw, origins)


def _list_hidden(raw: RawPart, origins: Mapping[str, Origin]) -> dict[str, Origin]:
    """Return without evidence what a target shows together with a series that is too high for it.

    No process has counted that one since its scrape before, so that scrape hid all of them.
    """
    births: dict[tuple[str, float], list[str]] = defaultdict(list)
    hidden: set[tuple[str, float]] = set()
    for entry in raw.series:
        name = series_id(entry.arm, entry.key)
        origin = origins.get(name)
        if not entry.process or origin is None or origin.by != "scrape" or not entry.samples:
            continue
        first, values = entry.samples[0]
        births[entry.process, first].append(name)
        if is_leap(int(values[-1]), first - min(origin.zeros), raw.query_part.cursor.pace):
            hidden.add((entry.process, first))
    return {name: Origin(origins[name].name) for scrape in hidden for name in births[scrape]}


def _is_new(raw: RawPart, key: Key) -> bool:
    return key not in raw.query_part.cursor.last


def _find_birth(raw: RawPart, entry: Series, evidence: Evidence) -> Origin:
    first = entry.samples[0][0]
    before = _find_scrape_before(raw, entry, first)
    if before is None:
        before = _find_up(raw, entry, evidence, first)
    taken = _list_renamed(raw, entry)
    if taken or (before is not None and _is_renamed(raw, entry, before, first)):
        return Origin("", (first, *taken), "renamed")
    origin = _find_zeros(raw, entry, evidence, before)
    is_by_target = origin.by == "scrape" and before is not None
    is_sure = is_by_target and first - (before or 0.0) <= BREAK * raw.query_part.scrape
    zero = max((zero for zero in origin.zeros if zero <= first), default=None)
    if zero is not None and not is_sure and is_moved(raw, entry, zero):
        return Origin("", (first,), "renamed")
    return origin


def _find_zeros(raw: RawPart, entry: Series, evidence: Evidence, before: float | None) -> Origin:
    """Return when a new series stood at 0, by its own process or by the scrape `before` it."""
    first, starts = entry.samples[0][0], _list_starts(raw, entry, evidence)
    restarts, by = _compare_starts(starts, list_times(raw, entry))
    if by == "other":
        return Origin("", (), "other")
    if created := _read_created(raw, entry, evidence):
        return Origin("", created, "created")
    start = _find_start(starts, first)
    if _may_have_ended(raw, entry, first, start):
        return Origin("", (first,), "renamed")
    if before is not None and entry.arm not in raw.query_part.lost:
        return Origin("", (before, *restarts), "scrape")
    began = () if start is None or not by else (start - _ERROR, *restarts)
    return Origin("", began, by if began else "")


def _find_scrape_before(raw: RawPart, entry: Series, first: float) -> float | None:
    """Return the newest scrape of the process before `first`; None unless it goes on at `first`.

    Its scrapes show in its other series, of both versions.
    """
    process = read_process(raw.labels[entry.arm, entry.key])
    siblings = [
        list_times(raw, sibling)
        for sibling in raw.by_target[read_target(raw.labels[entry.arm, entry.key])]
        if sibling is not entry and read_process(raw.labels[sibling.arm, sibling.key]) == process
    ]
    if not any(first in times for times in siblings):
        return None
    return max((at for times in siblings for at in times if at < first), default=None)


def _is_renamed(raw: RawPart, entry: Series, before: float, first: float) -> bool:
    """Whether a series of the target ended with the scrape before, at a count not higher."""
    total, target = dict(entry.samples)[first][-1], read_target(raw.labels[entry.arm, entry.key])
    for sibling in raw.by_target[target]:
        values = dict(sibling.samples)
        is_like = (sibling.arm, sibling.bad, sibling.total) == (entry.arm, entry.bad, entry.total)
        if is_like and before in values and first not in values and 0 < values[before][-1] <= total:
            return True
    return False


def _may_have_ended(raw: RawPart, entry: Series, first: float, start: float | None) -> bool:
    """Whether a counted series of the target that ended may go on as this one since `first`.

    A process that goes on drops no series, but it may hide one and show it under another name, and
    a server may lack its last samples. One that `start`s later has begun anew.
    """
    total = dict(entry.samples)[first][-1]
    return any(
        arm == entry.arm and at < first and 0 < values[-1] <= total and (start or 0.0) < at
        for (arm, _), (at, values) in raw.newest_by_process.get(entry.process, {}).items()
    )


def _list_renamed(raw: RawPart, entry: Series) -> tuple[float, ...]:
    """Return the times at which a series came back while another one ended."""
    key = entry.arm, entry.key
    back = raw.returned.get(key, ())
    own = tuple(end for before, end in back if _is_renamed(raw, entry, before, end))
    return *own, *raw.moved.get(key, ())


def _read_created(raw: RawPart, entry: Series, evidence: Evidence) -> tuple[float, ...]:
    query_part = raw.query_part
    version = query_part.canary if entry.arm == "canary" else query_part.stable
    return tuple(evidence.created.get((query_part.service, version, entry.key), ()))


def knows_start(raw: RawPart, entry: Series, evidence: Evidence) -> bool:
    """Whether anything but scrapes says when a series' counter stood at 0."""
    return bool(_read_created(raw, entry, evidence) or _list_starts(raw, entry, evidence))


def count_processes(raw: RawPart, entry: Series, evidence: Evidence) -> int:
    """Return how many processes of its target may have counted a series; 0 if unknown."""
    return len(_list_rows(raw, entry, evidence, START))


def is_merged(raw: RawPart, entry: Series, evidence: Evidence) -> bool:
    """Whether a target shows a proxy's uptime beside a start time, and the series is no proxy's."""
    has_uptime = bool(_list_rows(raw, entry, evidence, UPTIME))
    return has_uptime and not _is_of_proxy(raw) and count_processes(raw, entry, evidence) > 0


def _is_of_proxy(raw: RawPart) -> bool:
    return any(name.startswith(_PROXY) for name in raw.source.names)


def _list_rows(raw: RawPart, entry: Series, evidence: Evidence, metric: str) -> list[Item]:
    """Return the target's own rows of a metric, as far as they speak for the series."""
    labels = raw.labels[entry.arm, entry.key]
    target = read_target(labels)
    process = dict(read_process(labels))
    rows = evidence.rows.get(target, {}).get(metric, []) if target else []
    return [
        row for row in rows if all(row.metric.get(name) == value for name, value in process.items())
    ]


def _find_up(raw: RawPart, entry: Series, evidence: Evidence, first: float) -> float | None:
    """Return the newest successful scrape of the target before `first`, which was one too."""
    rows = _list_rows(raw, entry, evidence, UP)
    if len(rows) != 1:
        return None
    up = {at for at, value in read_samples(rows[0]).items() if value == 1}
    return max((at for at in up if at < first), default=None) if first in up else None


def _list_starts(raw: RawPart, entry: Series, evidence: Evidence) -> list[tuple[float, float]]:
    """Return (time, start of the process that answered then), oldest first.

    A merged endpoint shows a proxy's uptime beside another process's start: the latter is then
    nobody's that we know. Several rows belong to several processes, and one that names a process
    which the series does not name is of one of those that a collector or a federation shows.
    """
    process = read_process(raw.labels[entry.arm, entry.key])
    if process not in evidence.starts:  # all series of a process have the same
        evidence.starts[process] = _read_starts(raw, entry, evidence)
    return evidence.starts[process]


def _read_starts(raw: RawPart, entry: Series, evidence: Evidence) -> list[tuple[float, float]]:
    uptime = _list_rows(raw, entry, evidence, UPTIME)
    is_proxy = _is_of_proxy(raw)
    rows = uptime if is_proxy else _list_rows(raw, entry, evidence, START)
    if len(rows) != 1 or (uptime and not is_proxy):
        return []
    if read_process(rows[0].metric) != read_process(raw.labels[entry.arm, entry.key]):
        return []
    samples = sorted(read_samples(rows[0]).items())
    return [(at, at - value if is_proxy else value) for at, value in samples]


def _find_start(starts: Sequence[tuple[float, float]], at: float) -> float | None:
    """Return the start of the process that answered at a time; None if that is unknown."""
    return next((start for time, start in reversed(starts) if time <= at), None)


def _find_falls(raw: RawPart, entry: Series, evidence: Evidence) -> Origin:
    """Return what is known of a series that was counted before, at each of its gaps."""
    if taken := _list_renamed(raw, entry):
        return Origin("", taken, "renamed")
    if created := _read_created(raw, entry, evidence):
        return Origin("", created, "created")
    starts = _list_starts(raw, entry, evidence)
    if not starts:
        return Origin("")
    return Origin("", *_compare_starts(starts, list_times(raw, entry)))


def _compare_starts(
    starts: Sequence[tuple[float, float]], times: Sequence[float]
) -> tuple[tuple[float, ...], By]:
    """Return when the process started anew between samples, and how far its starts are believed.

    Where another process answered they say nothing; where one did lately, that is `other`. A start
    that may have been before the first of two samples is none in between, unless another process
    is known to have answered then.
    """
    zeros: list[float] = []
    by: By = "start"
    for begin, end in pairwise(times):
        before, after = _find_start(starts, begin), _find_start(starts, end)
        if after is None or (before is not None and abs(after - before) <= _ERROR):
            continue
        if after > begin + (_ERROR if before is None else -_ERROR):
            zeros.append(min(max(after, begin + _SOON), end))
        elif before is not None:
            by = "other" if times[-1] - end < REMEMBERED * (end - begin) else ""
    return (tuple(zeros), by) if by == "start" else ((), by)
