"""Reads the numbers of entries that a browser sends, and tells what an odd number did."""

from __future__ import annotations

import re

# How Python words it where a number is no time, no whole number, too long, or no JSON.
_ODD = re.compile(
    r"out of range|cannot convert float|for integer string conversion|not JSON compliant"
    r"|math domain error|expected a (positive|non-negative|finite)"
)

_DIGITS = 15  # more than any journal has entries


def read_number(text: str) -> int | None:
    """Return a number of plain digits; None for anything else, however long."""
    is_number = text.isascii() and text.isdigit() and len(text) <= _DIGITS
    return int(text) if is_number else None


def is_odd_number(error: Exception) -> bool:
    """Return whether a number of an entry is one that nobody can compute with, or show.

    Any other ValueError is a fault of ours, and is told as one.
    """
    if isinstance(error, ArithmeticError):
        return True
    return type(error) is ValueError and bool(_ODD.search(str(error)))
