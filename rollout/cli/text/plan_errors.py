"""Mistakes as compilers print them: the message, the line, and a caret under the place."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

import click

from rollout.errors import InputError, Mistake
from rollout.plan.reading.load import read
from rollout.plan.reading.positions import lines

_TOKEN = re.compile(r"[^\s,{}\[\]:#]+")
_WIDEST = 160


def explain(mistakes: Iterable[Mistake], texts: Mapping[str, str] | None = None) -> str:
    """Every mistake with its source; a file that is not in `texts` is read again."""
    sources = {file: lines(text) for file, text in (texts or {}).items()}
    return "\n".join(_explain(mistake, sources) for mistake in mistakes)


def _explain(mistake: Mistake, sources: dict[str, list[str]]) -> str:
    if mistake.file not in sources:
        sources[mistake.file] = _lines(mistake.file)
    place = f"{mistake.file}:{mistake.line}:{mistake.column}"
    said = str(mistake).removeprefix(f"{place} {mistake.code}")
    head = f"{click.style(place, bold=True)} {click.style(mistake.code, fg='red')}{said}"
    block = _block(mistake, sources[mistake.file])
    return f"{head}\n{block}" if block else head


def _lines(file: str) -> list[str]:
    try:
        return lines(read(file))
    except InputError:
        return []


def _block(mistake: Mistake, source: list[str]) -> str:
    """The line and its caret; nothing where there is no text to point at."""
    if not (mistake.line <= len(source) and source[mistake.line - 1].strip()):
        return ""
    line, start = source[mistake.line - 1], mistake.column - 1
    token = _TOKEN.match(line, start)
    width = len(token[0]) if token else 1
    # One column per character, so that the caret stays under its place.
    flat = "".join(c if c.isprintable() else " " for c in line)
    if len(flat) > _WIDEST:
        cut = max(0, start - _WIDEST // 2)
        flat, start = flat[cut : cut + _WIDEST], start - cut
    number, gap = str(mistake.line), " " * len(str(mistake.line))
    caret = " " * start + click.style("^" * min(width, _WIDEST - start), fg="red")
    return f"{gap} |\n{number} | {flat}\n{gap} | {caret}\n"
