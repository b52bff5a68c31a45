"""Moments as a reader writes them: a date, a time, or how long ago."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime

from rollout.plan.fields.units import seconds

Moment = Callable[[float], float]
"""Gives unix seconds for the present in unix seconds."""

# In an address a `+` means a blank, so a time that is copied into one arrives without its sign.
_LOST_PLUS = re.compile(r"(?<=\d) (?=\d\d(:?\d\d)?$)")


def parse_moment(text: str) -> Moment:
    """Read a date or time in ISO 8601, UTC where it names no zone, or a duration back from now.

    A blank before the zone stands for the `+` that it was in an address.
    Raises ValueError, with the cure, for anything else.
    """
    try:
        at = _read_time(text.strip())
    except ValueError:
        ago = _read_duration(text)
        return lambda now: now - ago
    at = at if at.tzinfo else at.replace(tzinfo=UTC)
    return lambda _now: at.timestamp()


def _read_time(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return datetime.fromisoformat(_LOST_PLUS.sub("+", text))


def _read_duration(text: str) -> float:
    try:
        return seconds(text)
    except ValueError:
        raise ValueError(
            "write a time in ISO 8601, such as 2026-06-01 or 2026-06-01T08:00+02:00 (UTC without a "
            "zone), or how long ago, such as 2h"
        ) from None
