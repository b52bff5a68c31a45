"""Reads a number that another program wrote as text."""

from __future__ import annotations

import re

# Python takes digits of every script, `1_000` and spaces around a number as well.
_OURS_ALONE = re.compile(r"[^!-~]|_")


def read_float(text: str) -> float:
    """Return the number of a text such as `0.5`, `1e+06`, `+Inf` or `NaN`. Raises ValueError."""
    check_plain(text)
    return float(text)


def read_whole(text: str) -> int:
    """Return the whole number of a text of plain digits. Raises ValueError."""
    if not (text.isascii() and text.isdigit()):
        raise ValueError("a whole number has digits only")
    return int(text)


def check_plain(text: str) -> None:
    """Raise ValueError for a text with characters that no program writes a number with."""
    if _OURS_ALONE.search(text) is not None:
        raise ValueError("a number has digits, a point and an exponent")
