"""Quantities as people write them: `30s`, `2m`, `0.5%`; kept as seconds and shares."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import BeforeValidator, PlainSerializer, WithJsonSchema

_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")
_DURATION = r"^(\d+(\.\d+)?(ms|s|m|h|d))+$"
_PERCENT = r"^\d+(\.\d+)?\s*%$"


def seconds(value: Any) -> float:
    """Seconds in a duration such as `90s`, `1m30s` or `24h`. Raises ValueError."""
    if isinstance(value, str) and re.match(_DURATION, text := value.strip()):
        return sum(float(number) * _SECONDS[unit] for number, unit in _PART.findall(text))
    raise ValueError("write a duration with its unit: 30s, 2m or 24h")


def share(value: Any) -> float:
    """The share in a percentage such as `0.5%`. Raises ValueError: a bare number is ambiguous."""
    if isinstance(value, str) and re.match(_PERCENT, text := value.strip()):
        return float(text[:-1]) / 100
    raise ValueError("write a percentage with its sign: 5% or 0.1%")


def share_or_number(value: Any) -> float:
    """A percentage (`10%`) or the plain number that it stands for (`0.1`). Raises ValueError."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        try:
            return share(value)
        except ValueError:
            raise ValueError("write a percentage (10%) or a number (0.1)") from None
    return float(value)


def percent(value: float) -> str:
    """A share for people: `0.001` is `0.1 %`."""
    return f"{value * 100:.4g} %"


def duration(value: float) -> str:
    """Seconds for people: `90` is `1m30s`."""
    if value < 1:
        return f"{value * 1000:.0f}ms"
    rest, parts = round(value), []
    for unit, size in (("d", 86400), ("h", 3600), ("m", 60), ("s", 1)):
        count, rest = divmod(rest, size)
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts[:2])


# A dumped plan is itself a valid plan, so quantities are written back with their unit.
Duration = Annotated[
    float,
    BeforeValidator(seconds),
    PlainSerializer(lambda value: f"{value:.12g}s"),
    WithJsonSchema({"type": "string", "pattern": _DURATION, "examples": ["30s", "2m", "24h"]}),
]
Percent = Annotated[
    float,
    BeforeValidator(share),
    PlainSerializer(lambda value: f"{value * 100:.12g}%"),
    WithJsonSchema({"type": "string", "pattern": _PERCENT, "examples": ["5%", "0.1%"]}),
]
PercentOrNumber = Annotated[
    float,
    BeforeValidator(share_or_number),
    WithJsonSchema(
        {
            "anyOf": [{"type": "string", "pattern": _PERCENT}, {"type": "number"}],
            "examples": ["10%", 0.02],
        }
    ),
]
