"""Read a journal from its newest entries backwards, as far as a reader needs it.

How it works: entries are numbered from 1 without a gap, so the newest are found by their numbers.
Each batch is verified and linked to the one that was read before it. What is older is not read, so
how long a journal is does not count; and nothing is known of it, which a `Span` says in words.
"""

from __future__ import annotations

import json
from collections import deque
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Protocol

from rollout.decide.record.facts import Started, of_rollout
from rollout.errors import JournalError
from rollout.journal.hash_chain import parse, verify
from rollout.journal.index import find_matching, plan_name
from rollout.journal.scan import AT_ONCE, scan
from rollout.ports import Journal, SkippedObservation

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rollout.journal.hash_chain import Row
    from rollout.ports import Entry

_NEWEST_DECISIONS = 5  # that are named where an entry is none
_STARTED = '"kind":"started"'


class RowSource(Protocol):
    """A journal that hands out its sealed rows, verified, and knows how many there are."""

    def head(self) -> int: ...
    def rows(self, after: int = 0, most: int | None = None) -> Sequence[Row]: ...
    def read_at(self, places: Sequence[int]) -> Iterator[Entry]: ...


class StoredJournal(RowSource, Journal, Protocol):
    """A journal that is read from both ends."""


@dataclass(frozen=True)
class Span:
    """Entries `first` to `last` of a journal of `of`: whole, and linked to each other."""

    first: int
    last: int
    of: int

    def __str__(self) -> str:
        if self.first <= 1 and self.last == self.of:
            return f"all {self.of:,} entries are whole and linked"
        return (
            f"entries {self.first:,} to {self.last:,} of {self.of:,} are whole and linked; "
            "surefoot verify checks all"
        )

    def as_json(self) -> dict[str, int]:
        """Return the span as JSON has it."""
        return asdict(self)


def read_backwards(journal: RowSource, last: int) -> Iterator[Sequence[Row]]:
    """Yield the rows up to number `last` in batches, the newest batch first.

    Raises JournalError where one was altered, moved or removed.
    """
    later: list[Row] = []
    after = last
    while after > 0:
        until, after = after, max(after - AT_ONCE, 0)
        rows = journal.rows(after, until - after)
        if len(rows) < until - after:
            raise JournalError(f"entry {until} is missing: the journal was cut or replaced")
        verify(later, rows[-1])
        yield rows
        later = [rows[0]]


def find_newest_start(journal: RowSource, name: str) -> tuple[int, dict[str, str]]:
    """Find the entry with which the newest rollout of a name began; 0 where none has that name.

    `name` is a plan's name or a rollout's id. Entries are verified from the newest back to it, and
    the plans' names come too, by rollout, of the rollouts that began in them. Raises JournalError.
    """
    plan_names: dict[str, str] = {}
    for rows in read_backwards(journal, journal.head()):
        for row in reversed(rows):
            fact = parse(row).fact if _STARTED in row.text else None
            if not isinstance(fact, Started):
                continue
            plan_names[fact.rollout] = plan_name(fact)
            if name in {fact.rollout, plan_names[fact.rollout]}:
                return row.seq, plan_names
    return 0, plan_names


def find_newest_starts(
    journal: RowSource, name: str | None, most: int
) -> tuple[int, dict[str, str]]:
    """Find the entry from which on the newest `most` rollouts, of a name or of any, are whole.

    Every rollout that has an entry after that one began after it, too, so that no word about an
    older one is passed over. Their plans' names come by rollout, the newest last. Entries are
    verified from the newest back to it, to the first where there are fewer. Raises JournalError.
    """
    plan_names: dict[str, str] = {}
    unbegun: set[str] = set()
    for rows in read_backwards(journal, journal.head()):
        for row in reversed(rows):
            record = scan(row)
            if isinstance(record, SkippedObservation):
                unbegun.add(record.rollout)
            elif of_rollout(record.fact):
                unbegun.add(record.fact.rollout)
            if isinstance(record, SkippedObservation) or not isinstance(record.fact, Started):
                continue
            unbegun.discard(record.fact.rollout)
            plan_names[record.fact.rollout] = plan_name(record.fact)
            wanted = find_matching(plan_names, name) if name else plan_names
            if len(wanted) >= most and not unbegun:
                return row.seq, dict(reversed(plan_names.items()))
    return 1, dict(reversed(plan_names.items()))


def scan_after(journal: RowSource, after: int) -> Iterator[Entry | SkippedObservation]:
    """Yield every entry after number `after`, verified; observations are not parsed."""
    while rows := journal.rows(after, AT_ONCE):
        after = rows[-1].seq
        yield from map(scan, rows)


def read_story(journal: RowSource, number: int) -> tuple[list[Entry], Span]:
    """Read the entries of the rollout that entry `number` is of, from its start up to it.

    All entries between are verified and how they are linked, also to the next one; no row of
    another rollout is parsed. Where there is no such entry the newest decisions are returned.
    Raises JournalError where one of these was altered, moved or removed.
    """
    head = journal.head()
    target = _find_entry(journal, number) if number <= head else None
    if target is None:
        return _read_newest_decisions(journal, head), Span(head, head, head)
    rollout = target.fact.rollout
    story: deque[Entry] = deque()
    mark = json.dumps(rollout, ensure_ascii=False)
    first = last = min(number + 1, head)
    for rows in read_backwards(journal, last):
        first = rows[0].seq
        own = map(parse, (row for row in reversed(rows) if mark in row.text and row.seq <= number))
        for entry in own:
            if entry.fact.rollout != rollout:
                continue
            story.appendleft(entry)
            if isinstance(entry.fact, Started):
                return [*story], Span(first, last, head)
    return [*story], Span(first, last, head)


def _find_entry(journal: RowSource, number: int) -> Entry | None:
    """Return one entry; None where it is missing or was altered, which who reads on is told."""
    try:
        return next(journal.read_at([number]))
    except JournalError:
        return None


def _read_newest_decisions(journal: RowSource, head: int) -> list[Entry]:
    decisions: deque[Entry] = deque()
    for rows in read_backwards(journal, head):
        for row in reversed(rows):
            if len(decisions) < _NEWEST_DECISIONS and '"kind":"decided"' in row.text:
                decisions.appendleft(parse(row))
        if len(decisions) == _NEWEST_DECISIONS:
            break
    return [*decisions]
