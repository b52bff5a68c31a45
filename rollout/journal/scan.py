"""The journal read in part: evidence, nearly all of it, is known by how its text begins."""

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

AT_ONCE = 500  # rows that are held at a time

# Keys are sorted: up to the series there is nothing else, unless something was wrong with a source.
_EVIDENCE = re.compile(
    r'\{"at":([^,"]+),"kind":"observed","problems":\{\},"rollout":"([^"\\]+)","series":'
)


def scan(row: Row) -> Entry | SkippedObservation:
    """A row's entry; evidence is passed over. Raises JournalError for an unknown fact."""
    if found := _EVIDENCE.match(row.text):
        return SkippedObservation(row.seq, found[2], float(found[1]))
    entry = parse(row)
    fact = entry.fact
    return (
        SkippedObservation(row.seq, fact.rollout, fact.at) if isinstance(fact, Observed) else entry
    )


def new_entries(journal: Journal, after: int) -> tuple[list[Entry], int]:
    """What was said and done after an entry (0: ever), and the number of the newest entry.

    Raises JournalError.
    """
    found: list[Entry] = []
    for each in journal.read(after) if after else journal.skim():
        after = each.seq
        if isinstance(each, Entry):
            found.append(each)
    return found, after


def check_picked(places: Iterable[int], rows: Sequence[Row]) -> None:
    """Raises JournalError unless these are the rows of those places, each as it was sealed."""
    there = {row.seq for row in rows}
    for place in places:
        if place not in there:
            raise JournalError(f"entry {place} is missing: the journal was cut or replaced")
    for row in rows:
        check_intact(row)


def parts(places: Sequence[int]) -> Iterator[Sequence[int]]:
    """The same places, so many at a time."""
    for begin in range(0, len(places), AT_ONCE):
        yield places[begin : begin + AT_ONCE]
