"""Converts a Prometheus matrix to raw series: labels to keys, buckets to histograms.

Whether the samples are usable counts is checked later, in `parse`.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from pydantic import FiniteFloat, TypeAdapter

from analysis.counting.cursor import Arm, Series
from rollout.errors import ObserveError
from rollout.observe.bulk.row_texts import RowTexts
from rollout.observe.native import NativeSample, native_series, number
from rollout.observe.selectors.edges import at_edge
from rollout.observe.selectors.source import Source
from rollout.observe.targets.processes import is_sum
from rollout.plan.fields.metric import DeclaredMetric

_READABLE = 80  # characters; a longer label set has its digest as key


@dataclass(frozen=True)
class Item:
    """One series of a matrix, as Prometheus' HTTP API writes it."""

    metric: dict[str, str]
    values: list[tuple[FiniteFloat, str]] | None = None
    histograms: list[tuple[FiniteFloat, NativeSample]] | None = None


def is_native(item: Item) -> bool:
    """Return whether a series is a native histogram."""
    return item.histograms is not None


_COMMA, _ESCAPED = re.compile(r"([,=\\])"), r"\\\1"
# What the names of a counter, a histogram and their creation times end on.
_PART = re.compile(r"_(total|bucket|created)$")
_MATRIX = TypeAdapter(list[Item])


def by_version(source: Source, result: object) -> dict[tuple[str, str], list[Item]]:
    """Group the answer's items by (service, version). Raises ObserveError if it is not a matrix."""
    groups: dict[tuple[str, str], list[Item]] = defaultdict(list)
    for item in read_matrix(result):
        groups[source.find_version(item.metric)].append(item)
    return groups


def read_matrix(result: object) -> list[Item]:
    """Return the answer's series. Raises ObserveError if it is not a matrix."""
    try:
        items = _MATRIX.validate_python([*result] if isinstance(result, RowTexts) else result)
    except ValueError:
        raise ObserveError("the answer of Prometheus holds no series") from None
    if any(item.values is None and item.histograms is None for item in items):
        raise ObserveError("the answer of Prometheus holds no samples of a window")
    return items


def group_by_series(
    items: Iterable[Item], source: Source, metric: DeclaredMetric
) -> dict[str, list[Item]]:
    """Return what a metric reads, by series key: a histogram's buckets are one series."""
    groups: dict[str, list[Item]] = defaultdict(list)
    for item in items:
        if metric.reads(item.metric):
            groups[make_series_key(item.metric, source)].append(item)
    return groups


def series_of(
    groups: Mapping[str, Sequence[Item]], metric: DeclaredMetric, arm: Arm
) -> list[Series]:
    """Return one arm's series with every sample of the window, ordered by key.

    Text that is not a number becomes NaN. Raises ObserveError for series that cannot be told
    apart and for histograms without usable edges, or without the metric's own.
    """
    built = [_build_series(key, arm, group, metric) for key, group in sorted(groups.items())]
    return [at_edge(series, metric) for series in built if series.samples]


def _build_series(key: str, arm: Arm, items: Sequence[Item], metric: DeclaredMetric) -> Series:
    natives = sum(map(is_native, items))
    if not natives:
        return (_build_histogram if metric.kind == "shape" else _build_counter)(
            key, arm, items, metric
        )
    if metric.kind != "shape":
        raise ObserveError(f"the series is a native histogram: a {metric.kind} needs a counter")
    if natives < len(items):
        raise ObserveError("a series is both a native histogram and another type")
    if len(items) > 1:
        raise ObserveError("two series have the same labels")
    labels = items[0].metric
    blank = Series(key, arm, (), process=read_process_of_target(labels), is_sum=is_sum(labels))
    return native_series(blank, items[0].histograms or [])


def _build_counter(key: str, arm: Arm, items: Sequence[Item], metric: DeclaredMetric) -> Series:
    if len(items) > 1:
        raise ObserveError("two series have the same labels")
    labels, is_bad = items[0].metric, metric.counts_bad(items[0].metric)
    step = metric.step if is_bad else 1.0
    samples = tuple(
        (at, (_count_steps(value, step),)) for at, value in sorted(read_samples(items[0]).items())
    )
    return Series(
        key,
        arm,
        samples,
        bad=is_bad,
        process=read_process_of_target(labels),
        total=metric.counts_units(labels),
        unlabelled=metric.is_unlabelled(labels),
        amount=is_bad and metric.kind == "ratio",
        is_sum=is_sum(labels),
        apart=metric.find_apart(labels),
    )


def _count_steps(value: float, step: float) -> float:
    """Return a value in whole steps; one of 1 leaves it as it is, and no number stays none."""
    return float(round(value / step)) if step != 1.0 and math.isfinite(value) else value


def _build_histogram(key: str, arm: Arm, items: Sequence[Item], _metric: DeclaredMetric) -> Series:
    buckets: dict[float, dict[float, float]] = defaultdict(dict)
    for item in items:
        _merge_samples(buckets[read_upper_edge(item.metric)], read_samples(item))
    if math.inf not in buckets:
        raise ObserveError("a histogram has no +Inf bucket")
    edges = _choose_edges(buckets)
    # A scrape may be half visible: only times at which every bucket has a sample are consistent.
    times = set.intersection(*(set(buckets[edge]) for edge in edges))
    if not times:
        raise ObserveError("no scrape has every bucket of a histogram")
    samples = tuple((at, tuple(buckets[edge][at] for edge in edges)) for at in sorted(times))
    labels = items[0].metric
    process = read_process_of_target(labels)
    return Series(key, arm, samples, edges=edges, process=process, is_sum=is_sum(labels))


def _choose_edges(buckets: Mapping[float, Mapping[float, float]]) -> tuple[float, ...]:
    """Return the edges that all layouts of the window have: an exporter may change its own.

    A layout is a set of edges that at least two scrapes have; one alone may be half visible.
    Raises ObserveError where they have none in common.
    """
    scrapes: dict[float, set[float]] = defaultdict(set)
    for edge, samples in buckets.items():
        for at in samples:
            scrapes[at].add(edge)
    numbers = Counter(frozenset(edges) for edges in scrapes.values() if math.inf in edges)
    layouts = [edges for edges, times in numbers.items() if times > 1]
    common = set(buckets).intersection(*layouts)
    if len(common) < 2 and min(map(len, layouts), default=0) > 1:
        raise ObserveError("the buckets of a histogram changed, no edge is in all of them")
    return tuple(sorted(common if len(common) > 1 else buckets))


def _merge_samples(bucket: dict[float, float], samples: Mapping[float, float]) -> None:
    """Add the samples of one spelling of an edge; `100`, `100.0` and `1e2` are one bucket."""
    if any(at in bucket and bucket[at] != value for at, value in samples.items()):
        raise ObserveError("two series have the same labels")
    bucket.update(samples)


@lru_cache(maxsize=256)
def _sort_names(names: tuple[str, ...], left_out: frozenset[str]) -> tuple[str, ...]:
    """Return label names in order; thousands of series have the same."""
    return tuple(sorted(name for name in names if name not in left_out))


def _list_own_labels(labels: Mapping[str, str], source: Source) -> list[tuple[str, str]]:
    own = [(name, labels[name]) for name in _sort_names(tuple(labels), source.constant)]
    if len(source.names) > 1:  # two metrics may have series of the same labels
        own.insert(0, ("", _PART.sub("", labels.get("__name__", ""))))
    return own


def label_names(labels: Mapping[str, str], source: Source) -> str:
    """Return a series' metric with the names of its labels, without their values."""
    names = ", ".join(name for name, _ in _list_own_labels(labels, source) if name)
    series = source.names[0] if len(source.names) == 1 else labels.get("__name__", "")
    return f"{series}{{{names}}}"


def make_series_key(labels: Mapping[str, str], source: Source) -> str:
    """Return a text of the remaining labels; a series has the same text at every look."""
    rest = _list_own_labels(labels, source)
    if _COMMA.search("".join([value for _, value in rest])) is not None:
        rest = [(name, _COMMA.sub(_ESCAPED, value)) for name, value in rest]
    text = ",".join([f"{name}={value}" for name, value in rest])
    return text if len(text) <= _READABLE else hashlib.sha256(text.encode()).hexdigest()[:16]


def read_process_of_target(labels: Mapping[str, str]) -> str:
    """Return the scraped process from Prometheus' own target labels; empty without them."""
    target = [labels[name] for name in ("job", "instance") if labels.get(name)]
    return "/".join(target) if len(target) == 2 else ""


def read_samples(item: Item) -> dict[float, float]:
    """Return a series' samples, value by unix time; what is no number is NaN."""
    return {at: number(text) for at, text in item.values or ()}


def read_upper_edge(labels: Mapping[str, str]) -> float:
    """Return the edge at which a bucket ends. Raises ObserveError."""
    if not labels.get("le"):
        name = labels.get("__name__", "the series")
        raise ObserveError(f"{name} has no buckets: it is no histogram")
    edge = number(labels["le"])
    if math.isnan(edge):
        raise ObserveError("the edge of a bucket is not a number")
    return edge
