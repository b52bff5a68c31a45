"""Converts a Prometheus matrix to raw series: labels to keys, buckets to histograms.

Whether the samples are usable counts is checked later, in `parse`.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from pydantic import FiniteFloat, TypeAdapter, ValidationError

from analysis.counting.cursor import Arm, Series
from rollout.errors import ObserveError
from rollout.observe.native import NativeSample, native_series, number
from rollout.observe.query import Source
from rollout.plan.fields.templates import Template

_READABLE = 80  # characters; a longer label set has its digest as key


@dataclass(frozen=True)
class Item:
    """One series of a matrix, as Prometheus' HTTP API writes it."""

    metric: dict[str, str]
    values: list[tuple[FiniteFloat, str]] | None = None
    histograms: list[tuple[FiniteFloat, NativeSample]] | None = None


def one_form(arms: Sequence[Sequence[Item]]) -> list[Sequence[Item]]:
    """Return each arm's items in one form, classic or native, if all arms share a form.

    The classic form is preferred. Arms without items have no say.
    """
    nonempty = [items for items in arms if items]
    for native in (False, True):
        if all(any(_is_native(item) is native for item in items) for items in nonempty):
            return [[item for item in items if _is_native(item) is native] for items in arms]
    return list(arms)


def _is_native(item: Item) -> bool:
    return item.histograms is not None


_COMMA, _ESCAPED = re.compile(r"([,=\\])"), r"\\\1"
_MATRIX = TypeAdapter(list[Item])


def by_version(source: Source, result: object) -> dict[tuple[str, str], list[Item]]:
    """Group the answer's items by (service, version). Raises ObserveError if it is not a matrix."""
    groups: dict[tuple[str, str], list[Item]] = defaultdict(list)
    try:
        items = _MATRIX.validate_python(result)
    except ValidationError:
        raise ObserveError("the answer of Prometheus holds no series") from None
    for item in items:
        if item.values is None and item.histograms is None:
            raise ObserveError("the answer of Prometheus holds no samples of a window")
        labels = item.metric
        groups[labels.get(source.service, ""), labels.get(source.version, "")].append(item)
    return groups


def series_of(items: Iterable[Item], source: Source, template: Template, arm: Arm) -> list[Series]:
    """Return one arm's series with every sample of the window, ordered by key.

    Text that is not a number becomes NaN. Raises ObserveError for series that cannot be told
    apart and for histograms without usable edges.
    """
    dropped = {"__name__", "le", source.service, source.version}
    groups: dict[str, list[Item]] = defaultdict(list)
    for item in items:
        groups[_make_series_key(item.metric, dropped)].append(item)
    built = [_build_series(key, arm, group, template) for key, group in sorted(groups.items())]
    return [series for series in built if series.samples]


def _build_series(key: str, arm: Arm, items: Sequence[Item], template: Template) -> Series:
    natives = sum(map(_is_native, items))
    if not natives:
        return (_build_counter if template.kind == "rate" else _build_histogram)(
            key, arm, items, template
        )
    if template.kind == "rate":
        raise ObserveError("the series is a native histogram: a rate needs a counter")
    if natives < len(items):
        raise ObserveError("a series is both a native histogram and another type")
    if len(items) > 1:
        raise ObserveError("two series have the same labels")
    process = _read_process(items[0].metric)
    return native_series(Series(key, arm, (), process=process), items[0].histograms or [])


def _build_counter(key: str, arm: Arm, items: Sequence[Item], template: Template) -> Series:
    if len(items) > 1:
        raise ObserveError("two series have the same labels")
    samples = tuple((at, (value,)) for at, value in sorted(_read_samples(items[0]).items()))
    labels = items[0].metric
    return Series(key, arm, samples, bad=_is_bad(labels, template), process=_read_process(labels))


def _build_histogram(key: str, arm: Arm, items: Sequence[Item], _template: Template) -> Series:
    buckets = {_read_upper_edge(item.metric): _read_samples(item) for item in items}
    if len(buckets) < len(items):
        raise ObserveError("two series have the same labels")
    edges = tuple(sorted(buckets))
    if edges[-1] != math.inf:
        raise ObserveError("a histogram has no +Inf bucket")
    # A scrape may be half visible: only times at which every bucket has a sample are consistent.
    times = set.intersection(*(set(points) for points in buckets.values()))
    if not times:
        raise ObserveError("no scrape has every bucket of a histogram")
    samples = tuple((at, tuple(buckets[edge][at] for edge in edges)) for at in sorted(times))
    return Series(key, arm, samples, edges=edges, process=_read_process(items[0].metric))


def _make_series_key(labels: Mapping[str, str], dropped: set[str]) -> str:
    """Return a text of the remaining labels; a series has the same text at every look."""
    rest = sorted((name, value) for name, value in labels.items() if name not in dropped)
    text = ",".join(f"{name}={_COMMA.sub(_ESCAPED, value)}" for name, value in rest)
    return text if len(text) <= _READABLE else hashlib.sha256(text.encode()).hexdigest()[:16]


def _read_process(labels: Mapping[str, str]) -> str:
    """Return the scraped process from Prometheus' own target labels; empty without them."""
    target = [labels[name] for name in ("job", "instance") if labels.get(name)]
    return "/".join(target) if len(target) == 2 else ""


def _read_samples(item: Item) -> dict[float, float]:
    return {at: number(text) for at, text in item.values or ()}


def _read_upper_edge(labels: Mapping[str, str]) -> float:
    edge = number(labels.get("le", ""))
    if math.isnan(edge):
        raise ObserveError("the edge of a bucket is not a number")
    return edge


def _is_bad(labels: Mapping[str, str], template: Template) -> bool:
    """Return whether a counter counts bad units.

    Raises ObserveError for a missing label: without it every unit would count as good.
    """
    for name in template.bad:
        if name not in labels:
            raise ObserveError(
                f"a series has no label {name}, which tells bad units from good ones"
            )
    return all(re.fullmatch(pattern, labels[name]) for name, pattern in template.bad.items())
