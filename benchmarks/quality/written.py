"""Replaces a table in a document, between two marks, by a benchmark's results."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Sequence
from pathlib import Path


def asked(about: str | None) -> argparse.Namespace:
    """Parse `full`, `seed` and `docs` for a benchmark with tables; `about` is its docstring."""
    parser = argparse.ArgumentParser(description=(about or "").splitlines()[0])
    parser.add_argument("--full", action="store_true")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--docs", type=Path, help="a document with a place for the tables")
    return parser.parse_args()


def markdown(head: Sequence[str], body: Iterable[Sequence[str]]) -> str:
    """Return a table in Markdown."""
    rows = [head, ["---"] * len(head), *body]
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def write(path: Path, name: str, text: str) -> None:
    """Put the text between `<!-- NAME -->` and `<!-- end NAME -->`, each on a line of its own.

    Raises:
        ValueError: the marks are not there.
    """
    begin, end = f"<!-- {name} -->\n", f"<!-- end {name} -->\n"
    before, opened, rest = path.read_text().partition(begin)
    _, closed, after = rest.partition(end)
    if not (opened and closed):
        raise ValueError(f"{path} has no place for the table {name}")
    path.write_text(before + begin + text + end + after)
