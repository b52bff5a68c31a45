"""Formats rows as text: groups, columns, and numbers that may be missing."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import groupby

import numpy as np

from benchmarks.quality.runs import Row


def table(title: str, head: Sequence[str], body: Iterable[Sequence[object]]) -> str:
    """Format a title and a table; the first column is aligned to the left, others to the right."""
    lines = [list(head), *([str(value) for value in line] for line in body)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(head))]
    written = ("  ".join([line[0].ljust(widths[0]),
               *(v.rjust(w) for v, w in zip(line[1:], widths[1:], strict=True))])
               for line in lines)  # fmt: skip
    return "\n".join([f"\n{title}", *written])


def grouped(rows: Iterable[Row], *names: str) -> Iterator[tuple[tuple[object, ...], list[Row]]]:
    """Group rows that agree in these columns, in the order of their first appearance."""
    rows = list(rows)
    order = {key: at for at, key in reversed([*enumerate(map(_build_key(names), rows))])}
    by = sorted(rows, key=lambda row: order[_build_key(names)(row)])
    for key, group in groupby(by, _build_key(names)):
        yield key, list(group)


def _build_key(names: Sequence[str]) -> Callable[[Row], tuple[object, ...]]:
    return lambda row: tuple(row[name] for name in names)


def number(value: float, digits: int = 0) -> str:
    """Format a rounded number; a dash for what was never reached or measured."""
    return f"{value:.{digits}f}" if np.isfinite(value) else "-"
