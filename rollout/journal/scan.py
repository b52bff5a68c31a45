"""Read a journal without parsing its observations.

How it works: nearly all rows are observations, and parsing them is what makes a long journal slow.
An observation's text begins in one way only, so a pattern recognises it without parsing. Whatever
the pattern does not match is parsed.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from rollout.decide.record.facts import Observed
from rollout.errors import JournalError
from rollout.journal.hash_chain import check_intact, parse
from rollout.ports import Entry, SkippedObservation

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from rollout.journal.hash_chain import Row
    from rollout.ports import Journal

AT_ONCE = 500  # rows that are in memory at a time

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
