"""Quantities as people write them: `30s`, `2m`, `0.5%`; kept as seconds and shares."""

from __future__ import annotations

import math
import re
from typing import Annotated, Any

from pydantic import BeforeValidator, PlainSerializer, WithJsonSchema

_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_PART = re.compile(r"([0-9]+(?:\.[0-9]+)?)(ms|s|m|h|d)")
_DURATION = r"^([0-9]+(\.[0-9]+)?(ms|s|m|h|d))+$"
_PERCENT = r"^[0-9]+(\.[0-9]+)?\s*%$"
_LONGEST = 10_000 * 86400.0


def seconds(value: Any) -> float:
    """Seconds, to the millisecond, in a duration such as `90s`, `1m30s` or `24h`.

    Raises:
        ValueError: no unit, or more than 10,000 days.
    """
    if not (isinstance(value, str) and re.match(_DURATION, text := value.strip())):
        raise ValueError("write a duration with its unit: 30s, 2m or 24h")
    total = sum(float(number) * _SECONDS[unit] for number, unit in _PART.findall(text))
    if total > _LONGEST:
        raise ValueError("a duration is at most 10000d")
    return round(total, 3)


def share(value: Any) -> float:
    """The share in a percentage such as `0.5%`. Raises ValueError: a bare number is ambiguous."""
    if isinstance(value, str) and re.match(_PERCENT, text := value.strip()):
        # Not a division by 100, so that 0.7% and 0.007 are the same number to the last bit.
        return float(f"{text[:-1].strip()}e-2")
    raise ValueError("write a percentage with its sign: 5% or 0.1%")


def share_or_number(value: Any) -> float:
    """A percentage (`10%`) or the plain number that it stands for (`0.1`). Raises ValueError."""
    try:
        plain = isinstance(value, int | float) and not isinstance(value, bool)
        number = float(value) if plain else share(value)
    except (ValueError, OverflowError):
        number = math.nan
    if not math.isfinite(number):
        raise ValueError("write a percentage (10%) or a number (0.1)")
    return number + 0.0  # no negative zero: it would be another digest of the same plan


def percent(value: float) -> str:
    """A share for people: `0.001` is `0.1 %`."""
    return f"{value * 100:.4g} %"


def duration(value: float) -> str:
    """Seconds for people: `90` is `1m30s`."""
    if 0 < value < 1:
        return f"{value * 1000:.0f}ms"
    rest, parts = round(value), []
    for unit, size in (("d", 86400), ("h", 3600), ("m", 60), ("s", 1)):
        count, rest = divmod(rest, size)
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts[:2]) or "0s"


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
# Parts of a pattern that knows the range too: an API server refuses by it. RE2 has no look-ahead.
_BELOW_1 = r"0\.0*[1-9][0-9]*"
_HUNDREDTHS = r"0\.(0[1-9]|[1-9][0-9]?)0*"


def ranged(*parts: str) -> WithJsonSchema:
    """The schema of a percentage that is written as one of these."""
    pattern = rf"^0*({'|'.join(parts)})\s*%$"
    return WithJsonSchema({"type": "string", "pattern": pattern, "examples": ["5%", "0.1%"]})


UP_TO_ALL = ranged(r"100(\.0+)?", r"[1-9][0-9]?(\.[0-9]+)?", _BELOW_1)
SHARE = ranged(r"100(\.0+)?", r"[1-9][0-9]?(\.[0-9]{1,2}0*)?", _HUNDREDTHS)
WEIGHT = ranged(r"99(\.0+)?", r"([1-9]|[1-8][0-9]|9[0-8])(\.[0-9]{1,2}0*)?", _HUNDREDTHS)
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
RISK = WithJsonSchema(
    {
        "anyOf": [
            ranged(r"([1-9]|[1-4][0-9])(\.[0-9]+)?", _BELOW_1).json_schema,
            {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 0.5},
        ],
        "examples": ["1%", 0.05],
    }
)
