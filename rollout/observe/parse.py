"""The answer to a query as new samples per guardrail, or what is wrong with it, in words."""

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
    """One guardrail's new samples; or no series and the problem in words (empty: none)."""

    part: QueryPart
    series: tuple[Series, ...] = ()
    problem: str = ""


def parse(query: Query, result: object) -> list[ParsedSamples]:
    """What each part of the query can use of `result`, the answer's `data.result`. Never raises."""
    try:
        items = by_version(query.source, result)
    except ObserveError as error:
        return [ParsedSamples(part, problem=str(error)) for part in query.parts]
    return [_reading(query.source, part, items) for part in query.parts]


def _reading(
    source: Source, part: QueryPart, items: Mapping[tuple[str, str], Sequence[Item]]
) -> ParsedSamples:
    found = one_form([items.get((part.service, v), ()) for v in (part.canary, part.stable)])

    def arm(name: Arm, shown: Sequence[Item]) -> list[Series]:
        return series_of(shown, source, part.template, name)

    try:
        canary, stable = arm("canary", found[0]), arm("stable", found[1])
        _refuse_twins(canary, stable)
        return ParsedSamples(part, _new(part, _sound(part, [*canary, *stable])))
    except (ObserveError, EvidenceError) as error:
        return ParsedSamples(part, problem=str(error))


def _refuse_twins(canary: Sequence[Series], stable: Sequence[Series]) -> None:
    """Moving counters that agree in every sample are one source under two names."""
    moves = any(one.samples[0][1] != one.samples[-1][1] for one in canary)
    if moves and [replace(one, arm="stable") for one in canary] == list(stable):
        raise ObserveError("both versions return the same series: check the version label")


def _sound(part: QueryPart, series: Sequence[Series]) -> list[Series]:
    """The series with whole numbers only.

    Counters are cumulative, so a sample that is no count may be passed over once a good one
    follows. A newest sample that is none is a problem, unless its series ended a while ago.
    """
    if len({one.edges if one.schema is None else "native" for one in series}) > 1:
        raise EvidenceError("bucket layouts differ")
    newest = max((one.samples[-1][0] for one in series), default=0.0)
    return [_whole(one, newest - 2 * part.scrape) for one in series]


def _whole(one: Series, fresh: float) -> Series:
    samples: list[Sample] = []
    for at, values in one.samples:
        try:
            samples.append((at, tuple(map(float, check(values)))))
        except EvidenceError:
            if at >= fresh and at == one.samples[-1][0]:
                raise
    return replace(one, samples=tuple(samples))


def _new(part: QueryPart, series: Sequence[Series]) -> tuple[Series, ...]:
    """What counting needs of the samples later than `since`; nothing if none is later.

    One scrape before `since` is kept too: a slow scrape's sample becomes visible after those of a
    later and quicker one. What is known already is not counted again.
    """
    since = float("-inf") if part.since is None else part.since
    cutoff = since - part.scrape
    short = [
        replace(one, samples=tuple(sample for sample in one.samples if sample[0] > cutoff))
        for one in compress_all(series)
    ]
    if not any(sample[0] > since for one in short for sample in one.samples):
        return ()
    return tuple(one for one in short if one.samples)
