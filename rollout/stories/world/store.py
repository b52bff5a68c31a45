"""A journal that survives its process, with the faults of a disk; sealed as the real ones are."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Protocol

from rollout.decide.record.facts import Fact
from rollout.errors import JournalBusyError, JournalError, StaleError
from rollout.journal.hash_chain import (
    START,
    NewestRow,
    Row,
    canonical,
    digest,
    document,
    parse,
    seal_all,
    verify,
)
from rollout.journal.scan import check_picked, scan
from rollout.ports import Entry, SkippedObservation


class StoredRows(Protocol):
    """Where rows may be as well: a database that a test has opened."""

    def append(self, facts: Sequence[Fact], after: int) -> tuple[list[Entry], list[Row]]:
        """Append durably; return the entries and their rows."""
        ...

    def rows(self, after: int) -> list[Row]:
        """Return the verified rows after an entry. Raises JournalError."""
        ...

    def put_in_place(self, rows: Sequence[Row]) -> None:
        """Let somebody put another journal in its place, whatever its rows are."""
        ...


@dataclass
class SimulatedDisk:
    """The rows of one journal, and who holds its lock.

    `faults` last until a true time: `full` (no append), `gone` (no read either), `unclear` (it is
    written, but the answer is an error), `crowded` (somebody else is always first).
    """

    now: Callable[[], float]
    rows: list[Row] = field(default_factory=list)
    facts: list[Fact] = field(default_factory=list)
    holder: str = ""
    faults: dict[str, float] = field(default_factory=dict)
    altered: set[int] = field(default_factory=set)  # places of rows
    newer: tuple[Fact, Row] | None = None  # what a newer version appended
    database: StoredRows | None = None  # where the rows are as well, and are read from
    is_old: bool = False  # an older version writes, which knows no lived time
    on_append: Callable[[Sequence[Entry]], None] = lambda _entries: None

    def has(self, fault: str) -> bool:
        """Return whether a fault lasts now."""
        return self.now() < self.faults.get(fault, 0.0)

    def restore(self, seq: int) -> None:
        """Put an older backup in index: everything after entry `seq` is gone."""
        del self.rows[seq:]
        del self.facts[seq:]
        self.altered = {index for index in self.altered if index < seq}
        self._replace_file()

    def alter(self, index: int, text: str) -> None:
        """Let a disk's fault change a row's text."""
        row = self.rows[index]
        self.rows[index] = Row(row.seq, text, row.previous, row.hash)
        self.altered.add(index)
        self._replace_file()

    def mend(self, index: int, row: Row) -> None:
        """Put a row back as it was, unless the journal was cut meanwhile."""
        self.altered.discard(index)
        if index < len(self.rows):
            self.rows[index] = row
            self._replace_file()

    @property
    def has_newer_entry(self) -> bool:
        """Whether an entry is there that only a newer version can read."""
        return self.newer is not None and self.newer[1] in self.rows

    def add_newer_entry(self, fact: Fact) -> None:
        """Let a newer version append a fact with a field that this one does not know."""
        last = self.rows[-1] if self.rows else START
        (row,) = seal_all(last, [fact])
        text = canonical({**document(fact), "zenith": 1})
        strange = Row(row.seq, text, row.previous, digest(row.previous, row.seq, text))
        self.newer = fact, strange
        self.rows.append(strange)
        self.altered.add(row.seq - 1)
        self._replace_file()

    def read_newer_entry(self) -> None:
        """Let a version come that can read it, unless the journal was cut meanwhile."""
        if self.newer is None or not self.has_newer_entry:
            return
        (fact, row), self.newer = self.newer, None
        (readable,) = seal_all(Row(row.seq - 1, "", "", row.previous), [fact])
        self.facts.insert(row.seq - 1, fact)
        self.mend(row.seq - 1, readable)

    def write(self, facts: Sequence[Fact], after: int, newest: NewestRow) -> list[Entry]:
        """Append durably. Raises JournalMovedError, JournalError."""
        if self.has("full"):
            raise JournalError("the journal cannot be written: the disk is full")
        self.check_there()
        last = self.rows[-1] if self.rows else START
        if self.rows:
            verify([last], Row(last.seq - 1, "", "", last.previous))
        newest.check_last(last, after)
        if self.is_old:
            facts = [fact.model_copy(update={"lived": None}) for fact in facts]
        entries, rows = self._append(last, facts, after)
        self.rows += rows
        newest.note(self.rows[-1])
        self.facts += [entry.fact for entry in entries]
        self.on_append(entries)
        if self.has("unclear"):
            raise JournalError("the journal cannot be read or written: the disk reports a fault")
        return entries

    def _append(
        self, last: Row, facts: Sequence[Fact], after: int
    ) -> tuple[list[Entry], list[Row]]:
        if self.database is not None:
            return self.database.append(facts, after)
        rows = seal_all(last, facts)
        return [parse(row) for row in rows], rows

    def load(self, after: int) -> list[Row]:
        """Return the rows after an entry, verified. Raises JournalError."""
        if self.database is not None:
            return self.database.rows(after)
        loaded = self.rows[after:]
        verify(loaded, self.rows[after - 1] if after else START)
        return loaded

    def _replace_file(self) -> None:
        if self.database is not None:
            self.database.put_in_place(self.rows)

    def check_there(self) -> None:
        """Raise JournalError while the journal does not answer."""
        if self.has("gone"):
            raise JournalError("the journal does not answer")


@dataclass
class SimulatedJournal:
    """One process's connection to a disk: a Journal whose effects pass by its points of death."""

    disk: SimulatedDisk
    owner: str
    effect: Callable[[str], None]
    is_locked: bool = False
    newest: NewestRow = field(default_factory=NewestRow)

    def append(self, facts: Sequence[Fact], after: int) -> list[Entry]:
        """See rollout.ports.Journal."""
        self.effect("append")
        entries = self.disk.write(facts, after, self.newest)
        self.effect("appended")
        return entries

    def read(self, after: int = 0) -> list[Entry]:
        """See rollout.ports.Journal."""
        return [parse(row) for row in self._load(after)]

    def scan(self) -> Iterator[Entry | SkippedObservation]:
        """See rollout.ports.Journal."""
        return map(scan, self._load(0))

    def read_at(self, places: Sequence[int]) -> Iterator[Entry]:
        """See rollout.ports.Journal."""
        self.disk.check_there()
        rows = [self.disk.rows[seq - 1] for seq in places if 0 < seq <= len(self.disk.rows)]
        check_picked(places, rows)
        return map(parse, rows)

    @contextmanager
    def lock(self, *, instead: bool = False) -> Iterator[None]:
        """Hold the journal; `instead` ends another's hold. Raises JournalBusyError."""
        disk = self.disk
        disk.check_there()
        if disk.holder and disk.holder != self.owner and not instead:
            raise JournalBusyError(f"another controller ({disk.holder}) uses this journal")
        disk.holder, self.is_locked = self.owner, True
        try:
            yield
        finally:
            self.is_locked = False
            if disk.holder == self.owner:
                disk.holder = ""

    def check_held(self) -> None:
        """Raise StaleError where another process has taken the journal."""
        if self.disk.holder != self.owner:
            raise StaleError(f"the journal is held by {self.disk.holder or 'nobody'}")

    def check_writable(self) -> None:
        """Raise JournalError where the journal does not answer."""
        self.disk.check_there()

    def _load(self, after: int) -> list[Row]:
        disk = self.disk
        disk.check_there()
        if self.is_locked and disk.holder != self.owner:
            raise JournalBusyError("this process has lost the controller's lock")
        rows = disk.rows
        self.newest.check_kept(after, rows[after - 1] if 0 < after <= len(rows) else None)
        loaded = disk.load(after)
        if loaded:
            self.newest.note(loaded[-1])
        return loaded
