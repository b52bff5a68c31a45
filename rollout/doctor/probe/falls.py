"""Find counters that fall, or are not there at every scrape, though no restart shows why.

A look counts them right, or passes over them. Each hints at what may count wrong one day.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import pairwise

from analysis.counting.change import Change, classify
from analysis.counting.counts import EvidenceError
from analysis.counting.cursor import Key, Series, check
from analysis.counting.origin import Origin, Origins, series_id
from rollout.doctor.finding import Level
from rollout.doctor.probe.cures import BEGAN, KEEP, ONE_PROCESS, OWN_START
from rollout.doctor.probe.wording import format_labels
from rollout.observe.evidence import RawPart
from rollout.observe.origins import find_origins, is_merged
from rollout.observe.survey import Survey

_NONE = Origin("")


def describe_merged(raw: RawPart, result: Survey) -> Iterator[tuple[Level, str, str]]:
    """Tell of a target that shows a proxy's uptime beside a start time which is not the series'."""
    for entry in raw.series:
        if is_merged(raw, entry, result.evidence):
            at = format_labels(raw, (entry.arm, entry.key), ("job", "instance"))
            message = (
                f"{at} shows a proxy's uptime beside a start time: it answers for several "
                "processes, and neither is taken for the start of what is counted"
            )
            yield "warn", message, OWN_START
            return


def describe_falls(raw: RawPart, result: Survey) -> Iterator[tuple[Level, str, str]]:
    """Tell of counters that fall or are missing now and then, if no problem has told it already."""
    if result.problem:
        return
    try:
        origins = find_origins(raw, result.evidence)
    except EvidenceError:  # of a twin that the looks left out
        return
    for entry, falls in _find_jitter(raw, origins):
        at = format_labels(raw, (entry.arm, entry.key))
        message = (
            f"{at} fell by a unit or so in {falls} of {len(entry.samples) - 1} scrapes, which is "
            "passed over: replicas, or a balancer before them, seem to answer at one address"
        )
        yield "warn", message, ONE_PROCESS
        break
    for key in _find_forgotten(raw):
        message = (
            f"{format_labels(raw, key)} was missing at scrapes of its target and came back: what "
            "it served meanwhile is known only if it goes on where it was"
        )
        yield "warn", message, KEEP
        break
    if any(" fell " in text for text in result.unbelieved):
        return
    for entry, before, after in _find_resets(raw, origins):
        message = (
            f"{format_labels(raw, (entry.arm, entry.key))} fell from {before:,} to {after:,}, "
            "and nothing shows a restart: it counts from 0, as after one"
        )
        yield "warn", message, BEGAN
        return


def _find_jitter(raw: RawPart, origins: Origins) -> Iterator[tuple[Series, int]]:
    """Yield the series that fell by a unit or so, with how often: several answer for one."""
    for entry in raw.series:
        changes = Counter(change for change, _, _ in _list_changes(raw, entry, origins))
        if changes["jitter"]:
            yield entry, changes["jitter"]


def _find_resets(raw: RawPart, origins: Origins) -> Iterator[tuple[Series, int, int]]:
    """Yield series that fell as after a restart which nothing shows, from and to how many units.

    Those that were forgotten meanwhile are none of these.
    """
    goes_on = (entry for entry in raw.series if (entry.arm, entry.key) not in raw.returned)
    for entry in goes_on:
        for change, before, after in _list_changes(raw, entry, origins):
            if change == "reset" and not entry.is_sum:
                yield entry, before, after
                break


def _find_forgotten(raw: RawPart) -> Iterator[Key]:
    """Yield the series that were missing at scrapes of their target, and came back."""
    yield from (key for key in raw.returned if key not in raw.moved)


def _list_changes(
    raw: RawPart, entry: Series, origins: Origins
) -> Iterator[tuple[Change, int, int]]:
    """Yield the changes that no known start explains, with the units of all buckets at both ends.

    `origins` know of none before the sample that was counted last.
    """
    last = raw.query_part.cursor.last.get((entry.arm, entry.key))
    totals = [(at, values[-1:]) for at, values in entry.samples if last is None or at >= last[0]]
    try:
        points = [(at, check(values)) for at, values in totals]
    except EvidenceError:
        return  # a look says so
    gaps = [
        (end - start, before, after, origin.zero_between(start, end) is not None)
        for origin in [origins.get(series_id(entry.arm, entry.key), _NONE)]
        for (start, before), (end, after) in pairwise(points)
    ]
    rises = [(sum(after) - sum(before), seconds) for seconds, before, after, _ in gaps]
    own = [(units, seconds) for units, seconds in rises if units >= 0]
    pace = sum(units for units, _ in own) / max(sum(seconds for _, seconds in own), 1.0)
    for seconds, before, after, is_known in gaps:
        if not is_known:
            yield classify(before, after, seconds, pace), sum(before), sum(after)
