"""Turns a query's answer into new samples per guardrail, or into a problem text.

A guardrail has either samples or a problem, so one bad series never hides the other guardrails.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from analysis.counting.belief import Belief, count_believed
from analysis.counting.beyond import split_off_scale
from analysis.counting.counts import Counts, EvidenceError
from analysis.counting.cursor import Arm, Key, Sample, Series
from analysis.counting.origin import Origins
from analysis.counting.thinning import compress_all
from analysis.fast_replace import replace
from rollout.errors import ObserveError
from rollout.observe.bulk.catalogue import BulkAnswer, Catalogue
from rollout.observe.bulk.reading import BulkPart, read_bulk
from rollout.observe.bulk.row_texts import MANY, find_many
from rollout.observe.bulk.shape import find_shape
from rollout.observe.bulk.whole import NONE_WHOLE, WholeSeries
from rollout.observe.checks import check_series, refuse_identical_arms
from rollout.observe.evidence import Evidence, RawPart
from rollout.observe.matrix import Item, by_version, group_by_series, series_of
from rollout.observe.origins import find_origins
from rollout.observe.query import Query, QueryPart
from rollout.observe.selectors.forms import Groups, keep_one_form
from rollout.observe.selectors.source import Source
from rollout.observe.targets.addresses import refuse_scraped_twice
from rollout.observe.twins import drop_twins, follow_twins


@dataclass(frozen=True)
class ParsedSamples:
    """One guardrail's new samples, or no series and a problem text (empty: no problem).

    `origins` is the evidence that they are counted by; `unbelieved` says what is not counted.
    `belief` is what they count; where a doubt prevents that, `doubt` says it in words. Of very many
    series that are counted here, `series` has only those that were judged one by one, and
    `processes` has the scraped targets of all. `judges` are the versions of who scored what is new.
    """

    query_part: QueryPart
    series: tuple[Series, ...] = ()
    problem: str = ""
    origins: Origins = field(default_factory=dict)
    unbelieved: tuple[str, ...] = ()
    belief: Belief | None = None
    doubt: str = ""
    processes: Mapping[Key, str] = field(default_factory=dict)
    judges: frozenset[str] = frozenset()


FindEvidence = Callable[[Query, Sequence[RawPart]], Evidence]


def _find_nothing(_query: Query, _parts: Sequence[RawPart]) -> Evidence:
    return Evidence()


def parse(
    query: Query,
    result: object,
    find_evidence: FindEvidence = _find_nothing,
    catalogue: Catalogue | None = None,
) -> list[ParsedSamples]:
    """Return the new samples of each query part from `result`, the answer's `data.result`.

    `find_evidence` asks for evidence on the series of these parts that were born or fell; without
    it there is none but the samples themselves. With a `catalogue` large answers are read in bulk.
    What is wrong with the answer is the `problem` of
    the parts that it affects; only what `find_evidence` raises is raised.
    """
    try:
        read = _read_parts(query, result, catalogue)
    except ObserveError as error:
        return [ParsedSamples(query_part, problem=str(error)) for query_part in query.parts]
    open_parts = [raw for raw, _ in read if isinstance(raw, RawPart) and raw.open]
    evidence = find_evidence(query, open_parts) if open_parts else Evidence()
    return [
        _finish(raw, words, evidence) if isinstance(raw, RawPart) else raw for raw, words in read
    ]


def _read_parts(
    query: Query, result: object, catalogue: Catalogue | None
) -> list[tuple[RawPart | ParsedSamples, list[str]]]:
    """Return each part's series, and what was left out. Raises ObserveError."""
    rows = None if catalogue is None else find_many(result, MANY)
    if catalogue is None or rows is None:
        items = by_version(query.source, result)
        return [_read_part(query.source, query_part, items) for query_part in query.parts]
    answer = catalogue.read(rows)
    return [_read_large_part(query.source, query_part, answer) for query_part in query.parts]


def _read_large_part(
    source: Source, query_part: QueryPart, answer: BulkAnswer
) -> tuple[RawPart | ParsedSamples, list[str]]:
    """Return a part's series, those in bulk that only rise, where it has many."""
    versions = query_part.canary, query_part.stable
    arms = [answer.find((query_part.service, version)) for version in versions]
    positions = np.concatenate(arms)
    try:
        metric = query_part.metric
        is_simple = not metric.judge and (metric.kind == "shape" or metric.has_own_total)
        if is_simple and query_part.is_counted and len(positions) >= MANY:
            shape = find_shape(source, query_part, answer, arms)
            bulk = read_bulk(query_part, answer, positions, shape)
            raw, words = _read_remaining(source, query_part, answer, bulk)
            if raw is not None:
                return raw, words
        return _read_part(source, query_part, answer.read_items(positions))
    except ObserveError as error:
        return ParsedSamples(query_part, problem=str(error)), []


def _read_remaining(
    source: Source, query_part: QueryPart, answer: BulkAnswer, bulk: BulkPart | None
) -> tuple[RawPart | None, list[str]]:
    """Return what remains of a part that was read in bulk; None if it does not fit the rest."""
    if bulk is None:
        return None, []
    query_part = replace(query_part, cursor=bulk.cursor)
    items = answer.read_items(bulk.remaining)
    raw, words = _read_part(source, query_part, items, bulk)
    if not isinstance(raw, RawPart):
        return None, []
    fits = all(entry.schema is None and entry.edges == bulk.cursor.edges for entry in raw.series)
    return (raw, words) if fits else (None, [])


def _read_part(
    source: Source,
    query_part: QueryPart,
    items: Mapping[tuple[str, str], Sequence[Item]],
    bulk: BulkPart | None = None,
) -> tuple[RawPart | ParsedSamples, list[str]]:
    """Return a part's series with their labels, and what was left out; or its problem."""
    try:
        whole = NONE_WHOLE if bulk is None else bulk.whole
        raw = read_raw(source, query_part, items, whole)
        if bulk is not None:
            raw = replace(
                raw,
                plain=bulk.plain,
                newest=bulk.newest,
                processes=bulk.processes,
                silent=bulk.silent,
            )
        about = raw.series, raw.labels, raw.fixed
        cursor = follow_twins(query_part.cursor, *about, query_part.scrape)
        raw = replace(raw, query_part=replace(query_part, cursor=cursor))
        series, words = drop_twins(*about, cursor)
        refuse_scraped_twice(series, raw.labels, raw.fixed, query_part.scrape)
        raw = replace(raw, series=check_series(query_part, series, raw.newest))
        _ = raw.open  # it raises for layouts that have nothing in common
    except (ObserveError, EvidenceError) as error:
        return ParsedSamples(query_part, problem=str(error)), []
    return raw, words


def read_raw(
    source: Source,
    query_part: QueryPart,
    items: Mapping[tuple[str, str], Sequence[Item]],
    whole: WholeSeries = NONE_WHOLE,
) -> RawPart:
    """Return all series of a part, twins included, with their labels. Raises ObserveError.

    Those that are `whole` are read already.
    """
    arms: tuple[Arm, ...] = ("canary", "stable")
    versions, metric = (query_part.canary, query_part.stable), query_part.metric
    groups: list[Groups] = [
        group_by_series(items.get((query_part.service, version), ()), source, metric)
        for version in versions
    ]
    if metric.kind == "shape":
        groups = keep_one_form(
            groups,
            query_part.scrape,
            was_native=query_part.cursor.grid is not None,
            may_differ=metric.edge is not None,
        )
    groups_by_arm = dict(zip(arms, groups, strict=True))
    labels = {
        (arm, key): group[-1].metric
        for arm, groups in groups_by_arm.items()
        for key, group in groups.items()
    }
    canary, stable = (whole.join(arm, series_of(groups_by_arm[arm], metric, arm)) for arm in arms)
    refuse_identical_arms(canary, stable, query_part.cursor)
    return RawPart(query_part, source, [*canary, *stable], {**labels, **whole.labels})


def _finish(raw: RawPart, words: Sequence[str], evidence: Evidence) -> ParsedSamples:
    """Return a part's new samples with the evidence on them."""
    origins = find_origins(raw, evidence)
    series = _select_new(raw, origins)
    if not series and not _is_newer(raw):
        return ParsedSamples(raw.query_part, (), "", origins)
    unbelieved = list(words)
    try:
        belief = count_believed(raw.query_part.cursor, series, origins, raw.plain)
    except EvidenceError as error:
        # Whoever counts the samples meets it too, and is blind for this reason.
        return ParsedSamples(
            raw.query_part, series, "", origins, tuple(unbelieved), doubt=str(error)
        )
    if problem := _find_surplus(raw.query_part, belief.counts):
        return ParsedSamples(raw.query_part, problem=problem)
    unbelieved += [*belief.unbelieved, *_describe_off_scale(raw.query_part, belief.counts)]
    return ParsedSamples(
        raw.query_part,
        series,
        "",
        origins,
        tuple(unbelieved),
        belief,
        processes=raw.processes,
        judges=_list_judges(raw, belief),
    )


def _list_judges(raw: RawPart, belief: Belief) -> frozenset[str]:
    """Return who scored since the look before: the labels of series of units that moved."""
    judge, before = raw.query_part.metric.judge, raw.query_part.cursor.last
    if not judge or not before:
        return frozenset()
    keys = [(entry.arm, entry.key) for entry in raw.series if entry.total or entry.edges]
    moved = (key for key in keys if _has_moved(before.get(key), belief.cursor.last.get(key)))
    return frozenset(raw.labels[key].get(judge, "") for key in moved)


def _has_moved(before: Sample | None, after: Sample | None) -> bool:
    """Return whether a series has counted something, or begins with something counted."""
    if after is None or before is None:
        return after is not None and any(after[1])
    return after[1] != before[1]


def _find_surplus(query_part: QueryPart, counts: Counts) -> str:
    """Return what is wrong where more units are bad than there are: two counters that do not fit.

    Nothing is lost by it: the next look counts from the same sample again.
    """
    if query_part.metric.kind != "rate":
        return ""
    if all(bad <= units for units, bad in (counts.canary, counts.stable)):
        return ""
    return "more units are bad than there are in all: `bad` must count some of what `total` counts"


def _describe_off_scale(query_part: QueryPart, counts: Counts) -> tuple[str, ...]:
    """Tell of scores that are none; they are not compared."""
    if query_part.metric.kind != "shape" or query_part.metric.worse == "high":
        return ()
    off_scale = sum(split_off_scale(counts, query_part.metric.edge)[1])
    text = (
        f"{query_part.metric.total.series}: {off_scale:,} are NaN or beyond the scale, not compared"
    )
    return (text,) if off_scale else ()


def _find_since(query_part: QueryPart) -> float:
    return -math.inf if query_part.since is None else query_part.since


def _is_newer(raw: RawPart) -> bool:
    """Whether a series that only rises has a sample after `since`."""
    return bool(raw.plain.at.max(initial=-math.inf) > _find_since(raw.query_part))


def _select_new(raw: RawPart, origins: Origins) -> tuple[Series, ...]:
    """Return the samples that counting needs after `since`; nothing if none is newer.

    Samples of one scrape before `since` stay too: a slow scrape's sample becomes visible after
    those of a later, quicker scrape. So do those of a series that is later than others, within the
    lag. The cursor does not count a sample twice.
    """
    query_part, since = raw.query_part, _find_since(raw.query_part)
    cursor, series = query_part.cursor, raw.series
    if not (query_part.is_counted and _is_one_new_each(raw)):
        series = compress_all(series, origins, cursor.pace, cursor.owed)
    short = [_cut_before(single, _find_cutoff(query_part, single, since)) for single in series]
    is_newer = any(sample[0] > since for single in short for sample in single.samples)
    if not (is_newer or _is_newer(raw)):
        return ()
    return tuple(single for single in short if single.samples)


def _is_one_new_each(raw: RawPart) -> bool:
    """Whether no sample lies between the last counted one of any series and its newest."""
    last = raw.query_part.cursor.last
    counted = ((last.get((entry.arm, entry.key)), entry.samples[-2:-1]) for entry in raw.series)
    return all(sample and (not before or before[0][0] <= sample[0]) for sample, before in counted)


def _cut_before(series: Series, cutoff: float) -> Series:
    samples = series.samples
    if samples and samples[0][0] > cutoff:  # the oldest comes first
        return series
    return replace(series, samples=tuple([pair for pair in samples if pair[0] > cutoff]))


def _find_cutoff(query_part: QueryPart, series: Series, since: float) -> float:
    """Return the time after which a series' samples are kept: what is counted already is not."""
    counted = query_part.cursor.last.get((series.arm, series.key))
    own = since - query_part.lag if counted is None else min(since, counted[0])
    return max(since - query_part.lag, own) - query_part.scrape
