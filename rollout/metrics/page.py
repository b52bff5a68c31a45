"""Renders many gauges in the Prometheus text format.

Lines can be reused from scrape to scrape. The library renders every sample each time, which takes
30 times as long for a fleet of thousands.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

from rollout.metrics.families import Sample
from rollout.metrics.names import METRICS

Line = tuple[str, str]  # the metric's name, and one of its series as text


def line(sample: Sample) -> Line:
    """Render one series of a gauge in the text format 0.0.4."""
    name, labels, value = sample
    pairs = ",".join(f'{key}="{_escape(text)}"' for key, text in labels.items())
    return name, f"{name}{{{pairs}}} {_format_number(value)}\n"


def page(lines: Iterable[Line]) -> str:
    """Join lines to a page: help and type of each metric, then its series, in METRICS order.

    The format wants all series of a metric in one group.
    """
    series: dict[str, list[str]] = {}
    for name, text in lines:
        series.setdefault(name, []).append(text)
    return "".join(
        f"# HELP {name} {METRICS[name].help}\n# TYPE {name} gauge\n" + "".join(series[name])
        for name in METRICS
        if name in series
    )


def _escape(text: str) -> str:
    return text.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")


def _format_number(value: float) -> str:
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    return repr(float(value))
