"""Many series as the text that Prometheus reads: each metric's help and kind, then its series.

Lines can be kept from scrape to scrape. The library renders every sample anew, which for a fleet
of thousands takes 30 times as long.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

from rollout.metrics.families import Sample
from rollout.metrics.names import METRICS

Line = tuple[str, str]  # the metric's name, its series as text


def line(sample: Sample) -> Line:
    """A gauge's series in the text format 0.0.4."""
    name, labels, value = sample
    told = ",".join(f'{key}="{_escaped(text)}"' for key, text in labels.items())
    return name, f"{name}{{{told}}} {_number(value)}\n"


def page(lines: Iterable[Line]) -> str:
    """Gauges, each metric's series together, in the order of the table."""
    found: dict[str, list[str]] = {}
    for name, text in lines:
        found.setdefault(name, []).append(text)
    return "".join(
        f"# HELP {name} {METRICS[name].help}\n# TYPE {name} gauge\n" + "".join(found[name])
        for name in METRICS
        if name in found
    )


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")


def _number(value: float) -> str:
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    return repr(float(value))
