"""Quantities as users write them (`30s`, `2m`, `0.5%`), held as seconds and shares."""

from __future__ import annotations

import math
import re
from typing import Annotated, Any

from pydantic import BeforeValidator, PlainSerializer, WithJsonSchema

_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_TERM = re.compile(r"([0-9]+(?:\.[0-9]+)?)(ms|s|m|h|d)")
_DURATION = r"^([0-9]+(\.[0-9]+)?(ms|s|m|h|d))+$"
_PERCENT = r"^[0-9]+(\.[0-9]+)?\s*%$"
_LONGEST = 10_000 * 86400.0


def seconds(value: Any) -> float:
    """Parse a duration such as `90s`, `1m30s` or `24h` to seconds, rounded to the millisecond.

    Raises:
        ValueError: no unit, or more than 10,000 days.
    """
    if not (isinstance(value, str) and re.match(_DURATION, text := value.strip())):
        raise ValueError("write a duration with its unit: 30s, 2m or 24h")
    total = sum(float(number) * _SECONDS[unit] for number, unit in _TERM.findall(text))
    if total > _LONGEST:
        raise ValueError("a duration is at most 10000d")
    return round(total, 3)


def share(value: Any) -> float:
    """Parse a percentage such as `0.5%` to a share.

    Raises ValueError for a number without the sign, because it is ambiguous.
    """
    if isinstance(value, str) and re.match(_PERCENT, text := value.strip()):
        # No division by 100: so 0.7% and 0.007 are the same number to the last bit, and plans that
        # differ only in this spelling have the same digest.
        return float(f"{text[:-1].strip()}e-2")
    raise ValueError("write a percentage with its sign: 5% or 0.1%")


def share_or_number(value: Any) -> float:
    """Parse a percentage (`10%`) or the plain number that it means (`0.1`). Raises ValueError."""
    try:
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        number = float(value) if is_number else share(value)
    except (ValueError, OverflowError):
        number = math.nan
    if not math.isfinite(number):
        raise ValueError("write a percentage (10%) or a number (0.1)")
    return number + 0.0  # turns -0.0 into 0.0, which would change the plan's digest


def percent(value: float) -> str:
    """Format a share for messages: `0.001` becomes `0.1 %`."""
    return f"{value * 100:.4g} %"


def duration(value: float) -> str:
    """Format seconds for messages: `90` becomes `1m30s`."""
    if 0 < value < 1:
        return f"{value * 1000:.0f}ms"
    rest, terms = round(value), []
    for unit, size in (("d", 86400), ("h", 3600), ("m", 60), ("s", 1)):
        count, rest = divmod(rest, size)
        if count:
            terms.append(f"{count}{unit}")
    return "".join(terms[:2]) or "0s"


def exact_duration(value: float) -> str:
    """Format seconds as the Gateway API spells them: `5400.25` becomes `1h30m250ms`."""
    rest, terms = round(value * 1000), []
    for unit, size in (("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)):
        count, rest = divmod(rest, size)
        if count:
            terms.append(f"{count}{unit}")
    return "".join(terms) or "0s"


# A dumped plan must itself be a valid plan, so quantities are written back with their unit.
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
# Alternatives of a pattern that also states the range, so that an API server can refuse a value by
# it. API servers use RE2, which has no look-ahead.
_BELOW_1 = r"0\.0*[1-9][0-9]*"
_HUNDREDTHS = r"0\.(0[1-9]|[1-9][0-9]?)0*"


def ranged(*alternatives: str) -> WithJsonSchema:
    """The schema of a percentage whose number matches one of these patterns."""
    pattern = rf"^0*({'|'.join(alternatives)})\s*%$"
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
