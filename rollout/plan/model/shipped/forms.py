"""The forms that most templates have: bad units by label, by a counter of their own, or values."""

from __future__ import annotations

from typing import Any

Spec = dict[str, Any]
"""What stands under `spec` of a template."""


def count_bad(
    description: str, series: str, bad: object, labels: Spec, needs: str = "", **more: Any
) -> Spec:
    """Labels of one counter tell which units are bad."""
    counter = {"series": series, "bad": bad, **more}
    return _describe(description, needs) | {"counter": counter, "labels": labels}


def count_apart(
    description: str, names: tuple[str, str], labels: Spec, needs: str = "", **more: Any
) -> Spec:
    """Bad units have a counter of their own; `names` are those of bad and of all units."""
    bad, total = ({"series": name} for name in names)
    counter = {"bad": bad, "total": total, **more}
    return _describe(description, needs) | {"counter": counter, "labels": labels}


def read_values(description: str, series: str, labels: Spec, needs: str = "", **more: Any) -> Spec:
    """Values of a histogram."""
    histogram = {"series": series, "unit": "s", **more}
    return _describe(description, needs) | {"histogram": histogram, "labels": labels}


def add_up(
    description: str, names: tuple[Spec, Spec], labels: Spec, needs: str = "", **more: Any
) -> Spec:
    """What units add up to; `names` are the selectors of the sum and of what it is divided by."""
    added, units = names
    ratio = {"sum": added, "count": units, **more}
    return _describe(description, needs) | {"ratio": ratio, "labels": labels}


def count_exposures(
    description: str, series: str, labels: Spec, needs: str = "", **more: Any
) -> Spec:
    """Who was sent where."""
    return _describe(description, needs) | {
        "exposure": {"series": series, **more},
        "labels": labels,
    }


def _describe(description: str, needs: str) -> Spec:
    return {"description": description} | ({"needs": needs} if needs else {})
