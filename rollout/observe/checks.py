"""Checks that a guardrail's samples are counts of two versions."""

from __future__ import annotations

from collections.abc import Sequence

from analysis.counting.counts import EvidenceError
from analysis.counting.cursor import Cursor, Sample, Series, check
from analysis.counting.layout import DIFFER
from analysis.fast_replace import replace
from rollout.errors import ObserveError
from rollout.observe.query import QueryPart


def refuse_identical_arms(
    canary: Sequence[Series], stable: Sequence[Series], cursor: Cursor
) -> None:
    """Raise ObserveError if both arms have the same moving counters.

    Two versions never count the same in every sample: such series are one source under two names.
    Counters that stand still may agree by chance, for example both at zero. A counter moves in its
    samples, or since the one that was counted last: a server that has just begun has one alone.
    """
    moves = any(_moves(series, cursor) for series in canary)
    if moves and [replace(series, arm="stable") for series in canary] == list(stable):
        raise ObserveError("both versions return the same series: check the version label")


def _moves(series: Series, cursor: Cursor) -> bool:
    newest = series.samples[-1][1]
    counted = cursor.last.get((series.arm, series.key))
    return series.samples[0][1] != newest or (counted is not None and counted[1][-1] != newest[-1])


def check_series(query_part: QueryPart, series: Sequence[Series], newest: float) -> list[Series]:
    """Return the series with only those samples that are whole numbers.

    `newest` is the time of the newest sample of others.

    Counters are cumulative, so an unusable sample may be dropped once a good one follows it.
    An unusable newest sample is a problem, unless its series ended more than two scrapes ago.
    """
    if len({single.schema is None for single in series}) > 1:
        raise EvidenceError(f"{DIFFER}: some series are native histograms, others classic ones")
    newest = max([newest, *(single.samples[-1][0] for single in series)])
    return [_keep_whole_counts(single, newest - 2 * query_part.scrape) for single in series]


def _keep_whole_counts(series: Series, fresh: float) -> Series:
    samples: list[Sample] = []
    for at, values in series.samples:
        try:
            whole = check(values)
            samples.append((at, values if whole == values else tuple(map(float, whole))))
        except EvidenceError:
            if at >= fresh and at == series.samples[-1][0]:
                raise
    return replace(series, samples=tuple(samples))
