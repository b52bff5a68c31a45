"""What no plan needs: bounds on a document before anything walks through it.

They are of what is accepted from now on. A plan in a journal was accepted, and is read as it is.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from rollout.plan.reading.positions import Path

LARGEST = 256 * 1024
"""Bytes of a plan file, which may hold several plans, and characters of one resource's spec."""

MOST_ENTRIES = 256
"""Entries of a list, and keys of a mapping."""

MOST_MISTAKES = 200
"""Mistakes of one document that are told one by one."""

_DEEPEST = 32
_MOST_VALUES = 20_000  # with what aliases stand for
Excess = tuple[Path, str]  # where, and what is too much there


def find_excess(data: Any) -> Iterator[Excess]:
    """Yield what is out of bounds in plain data."""
    stack: list[tuple[Path, Any]] = [((), data)]
    count = 0
    while stack:
        path, value = stack.pop()
        count += 1
        if count > _MOST_VALUES:
            yield (), f"the plan holds more than {_MOST_VALUES:,} values"
            return
        if not isinstance(value, dict | list):
            continue
        if len(path) >= _DEEPEST:
            yield path, f"nested more than {_DEEPEST} levels deep"
        elif len(value) > MOST_ENTRIES:
            kind = "keys" if isinstance(value, dict) else "entries"
            yield path, f"{len(value):,} {kind}, at most {MOST_ENTRIES} may be here"
        else:
            inner = value.items() if isinstance(value, dict) else enumerate(value)
            stack += [((*path, key), item) for key, item in inner]


def too_large(size: int) -> str:
    """Say that a text is too large for a plan; empty where it is not."""
    most = f"at most {LARGEST // 1024} KB may be"
    return f"{size / 1024:,.0f} KB are no plan: {most}" if size > LARGEST else ""
