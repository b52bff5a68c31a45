"""Reads the numbers of entries that a browser sends."""

from __future__ import annotations

_DIGITS = 15  # more than any journal has entries


def read_number(text: str) -> int | None:
    """Return a number of plain digits; None for anything else, however long."""
    is_number = text.isascii() and text.isdigit() and len(text) <= _DIGITS
    return int(text) if is_number else None
