r"""Facts as sealed rows: canonical text and a hash that covers it and all rows before.

How it works: a row holds a fact's text and the hash of the row before it. Its own hash covers both
and its number, so changing, moving or removing a row breaks every later link.

The hash covers the stored text, never a fact that was serialised again, so a journal of an older or
newer schema still verifies. Anyone can check a row without Surefoot:
`printf '%s\n%s\n%s' "$previous" "$seq" "$text" | sha256sum`.

A chain shows every change inside it. It cannot show that its newest rows were cut off, nor that
somebody rewrote all of it: to detect that, keep its last hash elsewhere.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NoReturn

from pydantic import ConfigDict, TypeAdapter, ValidationError
from pydantic_core import PydanticSerializationError

from rollout.decide.record.base import describe_first
from rollout.decide.record.facts import Fact, parse_fact
from rollout.errors import FactError, JournalError, JournalMovedError
from rollout.ports import Entry

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

GENESIS = hashlib.sha256(b"surefoot.dev/journal/v1").hexdigest()
_WRITER: TypeAdapter[Fact] = TypeAdapter(
    Fact, config=ConfigDict(ser_json_inf_nan="constants", defer_build=True)
)


@dataclass(frozen=True)
class Row:
    """An entry as it is stored: `text` is the fact's canonical JSON, `hash` seals it."""

    seq: int
    text: str
    previous: str
    hash: str


START = Row(0, "", "", GENESIS)  # what the first row follows


def document(fact: Fact) -> dict[str, Any]:
    """Convert a fact to plain JSON values.

    Infinity, which a histogram's last edge is, becomes the text `Infinity`.

    Raises FactError for what JSON cannot hold: NaN, foreign number types, broken text.
    """
    try:
        text = _WRITER.dump_json(fact, warnings="error")
        parsed: dict[str, Any] = json.loads(text, parse_constant=_parse_constant)
    except (PydanticSerializationError, ValueError) as error:
        raise FactError(f"a {fact.kind} fact cannot be written: {error}") from error
    return parsed


def _parse_constant(name: str) -> str:
    if name == "NaN":
        raise ValueError("it holds NaN, which equals nothing")
    return name


def canonical(value: dict[str, Any]) -> str:
    """Write a value as the one JSON text that stands for it.

    Keys are sorted, there are no spaces, numbers have their shortest exact form, and letters are
    not escaped. The hash depends on it: two texts of one value would have two hashes.
    """
    return json.dumps(
        value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    )


def digest(previous: str, seq: int, text: str) -> str:
    """SHA-256 over the previous hash, the sequence number and the text, in hexadecimal."""
    return hashlib.sha256(f"{previous}\n{seq}\n{text}".encode()).hexdigest()


def seal(previous: str, seq: int, fact: Fact) -> Row:
    """Seal a fact as the row after the one with hash `previous`. Raises JournalError."""
    text = canonical(document(fact))
    return Row(seq, text, previous, digest(previous, seq, text))


def seal_all(last: Row, facts: Iterable[Fact]) -> list[Row]:
    """Seal several facts as rows that are chained, one after another, to `last`."""
    rows = [last]
    for fact in facts:
        rows.append(seal(rows[-1].hash, rows[-1].seq + 1, fact))
    return rows[1:]


def verify(rows: Sequence[Row], last: Row = START) -> None:
    """Check that rows follow `last` without a gap and that none was altered.

    Raises JournalError naming the first bad sequence number and what is wrong with it.
    """
    for before, row in pairwise((last, *rows)):
        if row.seq != before.seq + 1:
            _raise_misplaced(before, row, rows)
        check_intact(row)
        if row.previous != before.hash:
            predecessor = _describe(before)
            raise JournalError(
                f"entry {row.seq} has a broken link: it does not follow this {predecessor}"
            )


def check_intact(row: Row) -> None:
    """Raise JournalError unless a row's hash fits its text."""
    if not _is_intact(row):
        raise JournalError(f"entry {row.seq} was altered: its hash differs from its text's")


def _is_intact(row: Row) -> bool:
    try:
        return digest(row.previous, row.seq, row.text) == row.hash
    except UnicodeEncodeError:  # a lone surrogate, which `seal` never wrote
        return False


def _raise_misplaced(before: Row, row: Row, rows: Sequence[Row]) -> NoReturn:
    expected = before.seq + 1
    predecessor = _describe(before)
    if row.seq <= before.seq:
        raise JournalError(f"entry {row.seq} is duplicated or out of order: after {predecessor}")
    if any(other.seq == expected for other in rows):
        raise JournalError(f"entry {expected} is out of order: entry {row.seq} comes before it")
    raise JournalError(f"entry {expected} is missing: a gap before entry {row.seq}")


@dataclass
class NewestRow:
    """The newest row that a process has read or appended: the journal may not lose it.

    An older backup that was put back under a running controller, and to which others appended
    since, has as many rows, and another one in this place.
    """

    newest: Row = START

    def note(self, row: Row) -> None:
        """Note a row that was read; an older one than the newest changes nothing."""
        if row.seq >= self.newest.seq:
            self.newest = row

    def check_last(self, last: Row, after: int) -> None:
        """Check that the journal still ends with entry `after`, as it was read.

        Raises JournalMovedError where it is longer or shorter, JournalError where it is another.
        """
        if last.seq != after:
            raise JournalMovedError(
                f"another writer appended to the journal: its last entry is {last.seq}, not {after}"
            )
        self.check_kept(after, last)

    def check_kept(self, after: int, present: Row | None) -> None:
        """Raise JournalError when an entry that was read before is no longer in the journal.

        `after` is 0 when nothing was read yet: then nothing can be missing.
        """
        if not after:
            return
        if present is None or present.seq != after:
            raise JournalError(f"entry {after} is missing: the journal was cut or replaced")
        if after == self.newest.seq and present.hash != self.newest.hash:
            raise JournalError(f"entry {after} is another one: the journal was cut or replaced")


def _describe(row: Row) -> str:
    return f"entry {row.seq}" if row.seq else "start"


def parse(row: Row) -> Entry:
    """Parse the fact in a row's text. Raises JournalError for an unknown fact."""
    try:
        fact = parse_fact(row.text)
    except ValidationError as error:
        raise JournalError(
            f"entry {row.seq} holds a fact this version cannot read: {describe_first(error)}"
        ) from error
    return Entry(row.seq, fact, row.previous, row.hash)
