"""Turns a query's answer into new samples per guardrail, or into a problem text.

A guardrail has either samples or a problem, so one bad series never hides the other guardrails.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from analysis.counting.belief import count_believed
from analysis.counting.counts import Counts, EvidenceError
from analysis.counting.cursor import Arm, Sample, Series, check
from analysis.counting.off_scale import split_off_scale
from analysis.counting.origin import Origins
from analysis.counting.thinning import compress_all
from rollout.errors import ObserveError
from rollout.observe.evidence import Evidence, RawPart
from rollout.observe.matrix import Item, by_version, make_series_key, one_form, series_of
from rollout.observe.origins import find_origins
from rollout.observe.query import Query, QueryPart, Source
from rollout.observe.twins import drop_twins


@dataclass(frozen=True)
class ParsedSamples:
    """One guardrail's new samples, or no series and a problem text (empty: no problem).

    `origins` is the evidence that they are counted by; `unbelieved` says what is not counted.
    """

    query_part: QueryPart
    series: tuple[Series, ...] = ()
    problem: str = ""
    origins: Origins = field(default_factory=dict)
    unbelieved: tuple[str, ...] = ()


FindEvidence = Callable[[Query, Sequence[RawPart]], Evidence]


def _find_nothing(_query: Query, _parts: Sequence[RawPart]) -> Evidence:
    return Evidence()


def parse(
    query: Query, result: object, find_evidence: FindEvidence = _find_nothing
) -> list[ParsedSamples]:
    """Return the new samples of each query part from `result`, the answer's `data.result`.

    `find_evidence` asks for evidence on the series of these parts that were born or fell; without
    it there is none but the samples themselves. What is wrong with the answer is the `problem` of
    the parts that it affects; only what `find_evidence` raises is raised.
    """
    try:
        items = by_version(query.source, result)
    except ObserveError as error:
        return [ParsedSamples(query_part, problem=str(error)) for query_part in query.parts]
    read = [_read_part(query.source, query_part, items) for query_part in query.parts]
    open_parts = [raw for raw, _ in read if isinstance(raw, RawPart) and raw.open]
    evidence = find_evidence(query, open_parts) if open_parts else Evidence()
    return [
        _finish(raw, words, evidence) if isinstance(raw, RawPart) else raw for raw, words in read
    ]


def _read_part(
    source: Source, query_part: QueryPart, items: Mapping[tuple[str, str], Sequence[Item]]
) -> tuple[RawPart | ParsedSamples, list[str]]:
    """Return a part's series with their labels, and what was left out; or its problem."""
    try:
        raw = read_raw(source, query_part, items)
        series, words = drop_twins(raw.series, raw.labels, raw.fixed, query_part.cursor)
        raw = replace(raw, series=_check_series(query_part, series))
        _ = raw.open  # it raises for layouts that have nothing in common
    except (ObserveError, EvidenceError) as error:
        return ParsedSamples(query_part, problem=str(error)), []
    return raw, words


def read_raw(
    source: Source, query_part: QueryPart, items: Mapping[tuple[str, str], Sequence[Item]]
) -> RawPart:
    """Return all series of a part, twins included, with their labels. Raises ObserveError."""
    items_by_arm = one_form(
        [items.get((query_part.service, v), ()) for v in (query_part.canary, query_part.stable)]
    )
    arms: tuple[Arm, ...] = ("canary", "stable")
    labels = {
        (arm, make_series_key(item.metric, source)): item.metric
        for arm, group in zip(arms, items_by_arm, strict=True)
        for item in group
    }
    canary, stable = (
        series_of(group, source, query_part.template, arm)
        for arm, group in zip(arms, items_by_arm, strict=True)
    )
    _refuse_identical_arms(canary, stable)
    return RawPart(query_part, source, [*canary, *stable], labels)


def _finish(raw: RawPart, words: Sequence[str], evidence: Evidence) -> ParsedSamples:
    """Return a part's new samples with the evidence on them."""
    origins = find_origins(raw, evidence)
    series = _select_new(raw.query_part, raw.series, origins)
    unbelieved = list(words) if series else []
    try:
        belief = count_believed(raw.query_part.cursor, series, origins)
        unbelieved += [*belief.unbelieved, *_describe_off_scale(raw.query_part, belief.counts)]
    except EvidenceError:
        pass  # whoever counts the samples meets it too, and is blind for this reason
    return ParsedSamples(raw.query_part, series, "", origins, tuple(unbelieved))


def _describe_off_scale(query_part: QueryPart, counts: Counts) -> tuple[str, ...]:
    """Tell of scores that are none; they are not compared."""
    if query_part.template.kind == "rate" or query_part.template.worse == "high":
        return ()
    off_scale = sum(split_off_scale(counts)[1])
    text = f"{query_part.template.series}: {off_scale:,} are NaN or beyond the scale, not compared"
    return (text,) if off_scale else ()


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
    if len({single.schema is None for single in series}) > 1:
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


def _select_new(
    query_part: QueryPart, series: Sequence[Series], origins: Origins
) -> tuple[Series, ...]:
    """Return the samples that counting needs after `since`; nothing if none is newer.

    Samples of one scrape before `since` stay too: a slow scrape's sample becomes visible after
    those of a later, quicker scrape. The cursor does not count a sample twice.
    """
    since = float("-inf") if query_part.since is None else query_part.since
    cutoff = since - query_part.scrape
    short = [
        replace(single, samples=tuple(sample for sample in single.samples if sample[0] > cutoff))
        for single in compress_all(series, origins, query_part.cursor.pace)
    ]
    if not any(sample[0] > since for single in short for sample in single.samples):
        return ()
    return tuple(single for single in short if single.samples)
