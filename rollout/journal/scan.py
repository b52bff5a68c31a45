"""Read a journal without parsing its observations.

How it works: nearly all rows are observations, and parsing them is what makes a long journal slow.
An observation's text begins in one way only, so a pattern recognises it without parsing. Whatever
the pattern does not match is parsed.
"""

from __future__ import annotations

import json
import re
import sys
from collections import deque
from typing import TYPE_CHECKING, Protocol

from rollout.decide.record.facts import Observed
from rollout.errors import JournalError
from rollout.journal.hash_chain import check_intact, parse
from rollout.ports import Entry, SkippedObservation

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from rollout.journal.hash_chain import Row
    from rollout.ports import Journal

AT_ONCE = 500  # rows that are in memory at a time
_NEWEST_DECISIONS = 5  # that are named where an entry is none

# Canonical text has its keys sorted, so an observation without problems begins exactly like this.
# One with problems, or with a rollout id that JSON escapes, does not match and is parsed.
_OBSERVATION_START = re.compile(
    r'\{"at":([^,"]+),"kind":"observed",(?:"lived":[^,"]+,)?"problems":\{\},'
    r'"rollout":"([^"\\]+)","series":'
)


def scan(row: Row) -> Entry | SkippedObservation:
    """Read a row's entry, or skip its observation. Raises JournalError for an unknown fact."""
    if match := _OBSERVATION_START.match(row.text):
        return SkippedObservation(row.seq, match[2], float(match[1]))
    entry = parse(row)
    fact = entry.fact
    return (
        SkippedObservation(row.seq, fact.rollout, fact.at) if isinstance(fact, Observed) else entry
    )


def new_entries(journal: Journal, after: int) -> tuple[list[Entry], int]:
    """Read the entries after `after`, and the number of the newest one.

    With `after` 0 the whole journal is read and observations are skipped. Raises JournalError.
    """
    entries: list[Entry] = []
    for record in journal.read(after) if after else journal.scan():
        after = record.seq
        if isinstance(record, Entry):
            entries.append(record)
    return entries, after


class RowSource(Protocol):
    """A journal that hands out its sealed rows, verified."""

    def rows(self, after: int = 0, most: int | None = None) -> Sequence[Row]: ...
    def read_at(self, places: Sequence[int]) -> Iterator[Entry]: ...


def read_story(journal: RowSource, number: int) -> list[Entry]:
    """Read the entries of the rollout that entry `number` is of, up to it; verify all of the chain.

    No other row is parsed, which is what makes a long journal slow. Where there is no such entry,
    the newest decisions are returned. Raises JournalError where the chain is broken.
    """
    target = _find_entry(journal, number)
    rollout, last = (target.fact.rollout, number) if target else ("", sys.maxsize)
    mark = json.dumps(rollout, ensure_ascii=False) if target else '"kind":"decided"'
    picked: deque[Row] = deque(maxlen=None if target else _NEWEST_DECISIONS)
    after = 0
    while rows := journal.rows(after, AT_ONCE):
        after = rows[-1].seq
        picked.extend(row for row in rows if mark in row.text and row.seq <= last)
    entries = map(parse, picked)
    return [entry for entry in entries if not target or entry.fact.rollout == rollout]


def _find_entry(journal: RowSource, number: int) -> Entry | None:
    """Return one entry; None where it is missing or was altered, which who reads all is told."""
    try:
        return next(journal.read_at([number]))
    except JournalError:
        return None


def check_picked(places: Iterable[int], rows: Sequence[Row]) -> None:
    """Raise JournalError unless every entry in `places` has its row and no row was altered."""
    present = {row.seq for row in rows}
    for seq in places:
        if seq not in present:
            raise JournalError(f"entry {seq} is missing: the journal was cut or replaced")
    for row in rows:
        check_intact(row)


def parts(places: Sequence[int]) -> Iterator[Sequence[int]]:
    """Split entry numbers into batches of at most AT_ONCE."""
    for start in range(0, len(places), AT_ONCE):
        yield places[start : start + AT_ONCE]
