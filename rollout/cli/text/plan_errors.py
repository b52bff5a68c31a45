"""Print mistakes in plans as compilers do: the message, the line, and a caret under it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

import click

from rollout.errors import InputError, Mistake
from rollout.plan.reading.files import read
from rollout.plan.reading.positions import lines
from rollout.redact import redact

_TOKEN = re.compile(r"[^\s,{}\[\]:#]+")
_WIDEST = 160  # columns of a source line; a longer one is cut around the caret


def explain(mistakes: Iterable[Mistake], texts: Mapping[str, str] | None = None) -> str:
    """Format every mistake with its source line; read files that are not in `texts` again."""
    sources = {file: lines(text) for file, text in (texts or {}).items()}
    return "\n".join(_explain(mistake, sources) for mistake in mistakes)


def _explain(mistake: Mistake, sources: dict[str, list[str]]) -> str:
    if mistake.file not in sources:
        sources[mistake.file] = _read_lines(mistake.file)
    position = f"{mistake.file}:{mistake.line}:{mistake.column}"
    message = redact(str(mistake).removeprefix(f"{position} {mistake.code}"))
    head = f"{click.style(position, bold=True)} {click.style(mistake.code, fg='red')}{message}"
    block = _draw_block(mistake, sources[mistake.file])
    return f"{head}\n{block}" if block else head


def _read_lines(file: str) -> list[str]:
    """Read a file again; no lines when that fails, nor of a pipe, which can be read once."""
    try:
        return lines(read(file)) if Path(file).is_file() else []
    except InputError:
        return []


def _draw_block(mistake: Mistake, source: list[str]) -> str:
    """Draw the line and its caret; nothing when the line has no text to point at."""
    if not (mistake.line <= len(source) and source[mistake.line - 1].strip()):
        return ""
    line, start = source[mistake.line - 1], mistake.column - 1
    token = _TOKEN.match(line, start)
    width = len(token[0]) if token else 1
    # One column per character, or tabs and escape codes would move the caret off its token.
    flat = "".join(c if c.isprintable() else " " for c in line)
    flat, start = _redact_line(flat), len(_redact_line(flat[:start]))
    if len(flat) > _WIDEST:
        cut = max(0, start - _WIDEST // 2)
        flat, start = flat[cut : cut + _WIDEST], start - cut
    number, gap = str(mistake.line), " " * len(str(mistake.line))
    caret = " " * start + click.style("^" * min(width, _WIDEST - start), fg="red")
    return f"{gap} |\n{number} | {flat}\n{gap} | {caret}\n"


def _redact_line(line: str) -> str:
    """Hide passwords in a line of YAML, where they may hold spaces: each URL is taken alone."""
    return "".join(map(redact, re.split(r"(?i)(?=https?://)", line)))
