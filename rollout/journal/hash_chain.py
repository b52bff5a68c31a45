r"""Facts as sealed rows: canonical text, a hash over it and everything before it, verification.

The hash covers the stored text, never a fact written anew, so a journal of an older or newer schema
still verifies. Anyone can check a row without Surefoot:
`printf '%s\n%s\n%s' "$previous" "$seq" "$text" | sha256sum`.

A chain shows every change inside it. It cannot show that its newest rows were cut off, nor that
somebody wrote all of it anew: for that its last hash must be kept elsewhere.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NoReturn

from pydantic import ConfigDict, TypeAdapter, ValidationError
from pydantic_core import PydanticSerializationError

from rollout.decide.record.facts import FACT, Fact
from rollout.errors import JournalError, JournalMovedError
from rollout.ports import Entry

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

GENESIS = hashlib.sha256(b"surefoot.dev/journal/v1").hexdigest()
_WRITER: TypeAdapter[Fact] = TypeAdapter(Fact, config=ConfigDict(ser_json_inf_nan="constants"))


@dataclass(frozen=True)
class Row:
    """An entry as it is stored: `text` is the fact's canonical JSON, `hash` seals it."""

    seq: int
    text: str
    previous: str
    hash: str


START = Row(0, "", "", GENESIS)  # what the first row follows


def document(fact: Fact) -> dict[str, Any]:
    """A fact as plain JSON values; infinity (a histogram's last edge) is the text `Infinity`.

    Raises JournalError for what JSON cannot hold: NaN, foreign number types, broken text.
    """
    try:
        text = _WRITER.dump_json(fact, warnings="error")
        parsed: dict[str, Any] = json.loads(text, parse_constant=_constant)
    except (PydanticSerializationError, ValueError) as error:
        raise JournalError(f"a {fact.kind} fact cannot be written: {error}") from error
    return parsed


def _constant(name: str) -> str:
    if name == "NaN":
        raise ValueError("it holds NaN, which equals nothing")
    return name


def canonical(value: dict[str, Any]) -> str:
    """One text per value: sorted keys, no spaces, shortest exact numbers, letters as they are."""
    return json.dumps(
        value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    )


def digest(previous: str, seq: int, text: str) -> str:
    """sha256 over the previous hash, the sequence number and the text, in hexadecimal."""
    return hashlib.sha256(f"{previous}\n{seq}\n{text}".encode()).hexdigest()


def seal(previous: str, seq: int, fact: Fact) -> Row:
    """The row of a fact that follows the row with hash `previous`. Raises JournalError."""
    text = canonical(document(fact))
    return Row(seq, text, previous, digest(previous, seq, text))


def seal_all(last: Row, facts: Iterable[Fact]) -> list[Row]:
    """The rows of several facts, chained one after the other to `last`."""
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
            _misplaced(before, row, rows)
        check_intact(row)
        if row.previous != before.hash:
            raise JournalError(
                f"entry {row.seq} has a broken link: it was not written after this {_name(before)}"
            )


def check_intact(row: Row) -> None:
    """Raise JournalError unless a row's hash fits its text."""
    if not _intact(row):
        raise JournalError(f"entry {row.seq} was altered: its hash does not fit its text")


def _intact(row: Row) -> bool:
    try:
        return digest(row.previous, row.seq, row.text) == row.hash
    except UnicodeEncodeError:  # half a character, which was never sealed
        return False


def _misplaced(before: Row, row: Row, rows: Sequence[Row]) -> NoReturn:
    wanted = before.seq + 1
    if row.seq <= before.seq:
        raise JournalError(f"entry {row.seq} is there twice or out of order: after {_name(before)}")
    if any(other.seq == wanted for other in rows):
        raise JournalError(f"entry {wanted} is out of order: entry {row.seq} comes before it")
    raise JournalError(f"entry {wanted} is missing: a gap before entry {row.seq}")


def check_last(last: Row, after: int) -> None:
    """Raise JournalMovedError unless the journal still ends with entry `after`."""
    if last.seq != after:
        raise JournalMovedError(f"the journal moved on: its last entry is {last.seq}, not {after}")


def check_kept(after: int, *, kept: bool) -> None:
    """Raise JournalError when an entry that was read before is no longer there."""
    if after and not kept:
        raise JournalError(f"entry {after} is missing: the journal was cut or replaced")


def _name(row: Row) -> str:
    return f"entry {row.seq}" if row.seq else "start"


def parse(row: Row) -> Entry:
    """The entry of a row, its fact read from the text. Raises JournalError for an unknown fact."""
    try:
        fact = FACT.validate_json(row.text)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise JournalError(
            f"entry {row.seq} holds a fact this version cannot read: {where}: {first['msg']}"
        ) from error
    return Entry(row.seq, fact, row.previous, row.hash)
