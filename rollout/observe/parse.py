"""Turns a query's answer into new samples per guardrail, or into a problem text.

A guardrail has either samples or a problem, so one bad series never hides the other guardrails.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from analysis.counting.counts import EvidenceError
from analysis.counting.cursor import Arm, Sample, Series, check
from analysis.counting.thinning import compress_all
from rollout.errors import ObserveError
from rollout.observe.matrix import Item, by_version, one_form, series_of
from rollout.observe.query import Query, QueryPart, Source


@dataclass(frozen=True)
class ParsedSamples:
    """One guardrail's new samples, or no series and a problem text (empty: no problem)."""

    query_part: QueryPart
    series: tuple[Series, ...] = ()
    problem: str = ""


def parse(query: Query, result: object) -> list[ParsedSamples]:
    """Return the new samples of each query part from `result`, the answer's `data.result`.

    Never raises: what is wrong with the answer is the `problem` of the parts that it affects.
    """
    try:
        items = by_version(query.source, result)
    except ObserveError as error:
        return [ParsedSamples(query_part, problem=str(error)) for query_part in query.parts]
    return [_parse_part(query.source, query_part, items) for query_part in query.parts]


def _parse_part(
    source: Source, query_part: QueryPart, items: Mapping[tuple[str, str], Sequence[Item]]
) -> ParsedSamples:
    items_by_arm = one_form(
        [items.get((query_part.service, v), ()) for v in (query_part.canary, query_part.stable)]
    )

    def arm(name: Arm, items: Sequence[Item]) -> list[Series]:
        return series_of(items, source, query_part.template, name)

    try:
        canary, stable = arm("canary", items_by_arm[0]), arm("stable", items_by_arm[1])
        _refuse_identical_arms(canary, stable)
        return ParsedSamples(
            query_part, _select_new(query_part, _check_series(query_part, [*canary, *stable]))
        )
    except (ObserveError, EvidenceError) as error:
        return ParsedSamples(query_part, problem=str(error))


def _refuse_identical_arms(canary: Sequence[Series], stable: Sequence[Series]) -> None:
    """Raise ObserveError if both arms have the same moving counters.

    Two versions never count the same in every sample: such series are one source under two names.
    Counters that stand still may agree by chance, for example both at zero.
    """
    moves = any(series.samples[0][1] != series.samples[-1][1] for series in canary)
    if moves and [replace(series, arm="stable") for series in canary] == list(stable):
        raise ObserveError("both versions return the same series: check the version label")


def _check_series(query_part: QueryPart, series: Sequence[Series]) -> list[Series]:
    """Return the series with only those samples that are whole numbers.

    Counters are cumulative, so an unusable sample may be dropped once a good one follows it.
    An unusable newest sample is a problem, unless its series ended more than two scrapes ago.
    """
    if len({single.edges if single.schema is None else "native" for single in series}) > 1:
        raise EvidenceError("bucket layouts differ")
    newest = max((single.samples[-1][0] for single in series), default=0.0)
    return [_keep_whole_counts(single, newest - 2 * query_part.scrape) for single in series]


def _keep_whole_counts(series: Series, fresh: float) -> Series:
    samples: list[Sample] = []
    for at, values in series.samples:
        try:
            samples.append((at, tuple(map(float, check(values)))))
        except EvidenceError:
            if at >= fresh and at == series.samples[-1][0]:
                raise
    return replace(series, samples=tuple(samples))


def _select_new(query_part: QueryPart, series: Sequence[Series]) -> tuple[Series, ...]:
    """Return the samples that counting needs after `since`; nothing if none is newer.

    Samples of one scrape before `since` stay too: a slow scrape's sample becomes visible after
    those of a later, quicker scrape. The cursor does not count a sample twice.
    """
    since = float("-inf") if query_part.since is None else query_part.since
    cutoff = since - query_part.scrape
    short = [
        replace(single, samples=tuple(sample for sample in single.samples if sample[0] > cutoff))
        for single in compress_all(series)
    ]
    if not any(sample[0] > since for single in short for sample in single.samples):
        return ()
    return tuple(single for single in short if single.samples)
