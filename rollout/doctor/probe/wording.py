"""A source's selector, as queries have it and as messages show it, and the labels of a series."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from rollout.observe.evidence import Key, RawPart
from rollout.observe.selectors.promql import format_matchers
from rollout.observe.selectors.source import Source
from rollout.plan.fields.matchers import Matcher


def show_selector(source: Source, service: str = "") -> str:
    """Format a selector for messages; a histogram has the name of its classic buckets."""
    names = " or ".join(source.names)
    return f"{names}{{{','.join(build_matchers(source, service))}}}"


def build_matchers(source: Source, service: str = "") -> list[str]:
    """Return the matchers of a service's series, or of all series without it."""
    of_service = Matcher(source.service, "=", service)
    own = [of_service] if service and source.service else []
    return format_matchers([*own, *source.where])


def format_labels(raw: RawPart, key: Key, names: Iterable[str] = ()) -> str:
    """Return a series' labels with their values: those that are given, or all of its own."""
    labels = raw.labels[key]
    chosen = names or sorted(labels.keys() - {"__name__", "le", raw.source.service})
    return f"{{{', '.join(_format_label(labels, name) for name in chosen)}}}"


def _format_label(labels: Mapping[str, str], name: str) -> str:
    return f'{name}="{labels.get(name, "")}"'
