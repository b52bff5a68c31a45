"""The demo's corpus: synthetic discharge notes, each with a reference summary and its key facts."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import cache
from importlib.resources import files


@dataclass(frozen=True)
class Note:
    """One synthetic discharge note.

    `reference` is a summary of three to five sentences written by hand; `facts` are five to eight
    phrases that a good summary contains word for word.
    """

    id: str
    text: str
    reference: str
    facts: tuple[str, ...]


@cache
def notes() -> dict[str, Note]:
    """Return every note by its id, in the order of the file."""
    rows = json.loads(files("rollout.demo").joinpath("notes.json").read_text("utf-8"))
    return {row["id"]: Note(**{**row, "facts": tuple(row["facts"])}) for row in rows}


def sentences(text: str) -> list[str]:
    """Split a note into sentences; the notes have no abbreviations that end in a full stop."""
    return re.split(r"(?<=[.!?])\s+(?=[A-Z0-9])", text.strip())


def words(text: str) -> list[str]:
    """Return lower-case words and numbers; 2.5 or 6/9 stay whole."""
    return re.findall(r"[a-z0-9]+(?:[./][0-9]+)*", text.lower())


def contains(text: str, phrase: str) -> bool:
    """Return whether the text has the phrase's words next to each other and in order."""
    return f" {' '.join(words(phrase))} " in f" {' '.join(words(text))} "


def coverage(summary: str, facts: tuple[str, ...]) -> float:
    """Return the share of the facts that the summary contains, in [0, 1]."""
    return sum(contains(summary, fact) for fact in facts) / len(facts)
