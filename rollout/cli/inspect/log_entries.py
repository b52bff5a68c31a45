"""Read the entries that `surefoot log` prints: all in order, or the newest, and those to come."""

from __future__ import annotations

from collections import deque
from itertools import islice
from typing import TYPE_CHECKING, Protocol

import click

from rollout.journal.backwards import RowSource, Span, read_backwards
from rollout.journal.hash_chain import parse
from rollout.journal.index import find_matching, matching, names
from rollout.journal.scan import AT_ONCE, scan
from rollout.ports import Entry

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from threading import Event

    from rollout.explain.log import Sieve
    from rollout.ports import SkippedObservation

_POLL = 0.5  # seconds between two reads with -f


class LogSource(RowSource, Protocol):
    """A journal that is read in batches."""

    def scan(self) -> Iterator[Entry | SkippedObservation]: ...
    def read(self, after: int = 0, most: int | None = None) -> Sequence[Entry]: ...


def read_batches(
    journal: LogSource, over: Event | None, *, after: int = 0, has_observations: bool = False
) -> Iterator[Sequence[Entry]]:
    """Yield the entries after `after` in batches, then an empty batch where there are no more yet.

    Without `over` it ends there, otherwise it goes on with new ones until that is set. A batch is
    verified; observations are parsed only where they are wanted. Raises JournalError.
    """
    if not after and not has_observations:
        records = journal.scan()
        while batch := [*islice(records, AT_ONCE)]:
            after = batch[-1].seq
            if entries := [record for record in batch if isinstance(record, Entry)]:
                yield entries
    while True:
        while appended := journal.read(after, AT_ONCE):
            after = appended[-1].seq
            yield appended
        yield ()
        if over is None or over.wait(_POLL):
            return


def select_entries(
    batches: Iterator[Sequence[Entry]], name: str | None, sieve: Sieve
) -> Iterator[Entry | None]:
    """Yield the entries that pass, of the rollouts of one name or of all; None for an empty batch.

    Rollouts of that name that start while the log is followed are included. Raises InputError at
    the first empty batch, by which all there is so far was read, where none has that name. Where
    nothing has passed by then, that is told on standard error.
    """
    plan_names: dict[str, str] = {}
    is_first = True
    for batch in batches:
        entries = batch
        if name is not None:
            plan_names |= names(batch)
            ids = find_matching(plan_names, name) if batch else matching(plan_names, name)
            entries = [entry for entry in batch if entry.fact.rollout in ids]
        yield from (entry for entry in entries if sieve.passes(entry))
        if not batch:
            if is_first:
                _tell_of_nothing(sieve)
            is_first = False
            yield None


def read_newest(journal: RowSource, most: int, sieve: Sieve) -> tuple[list[Entry], Span]:
    """Read the newest entries that pass, at most so many, oldest first, and what was verified.

    Where nothing passes, that is told on standard error. Raises JournalError.
    """
    newest: deque[Entry] = deque()
    first = head = journal.head()
    for rows in read_backwards(journal, head):
        first = rows[0].seq
        for row in reversed(rows):
            record = parse(row) if sieve.wanted.has_observations else scan(row)
            if isinstance(record, Entry) and sieve.passes(record):
                newest.appendleft(record)
            if len(newest) == most:
                return [*newest], Span(first, head, head)
    _tell_of_nothing(sieve)
    return [*newest], Span(first, head, head)


def _tell_of_nothing(sieve: Sieve) -> None:
    if nothing := sieve.describe_nothing():
        click.echo(f"surefoot: {nothing}", err=True)
