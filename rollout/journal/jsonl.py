"""A journal as JSON lines, one sealed fact per line: to send, archive, grep and read again."""

from __future__ import annotations

import json
import os
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

from rollout.answers.plain_file import open_text
from rollout.errors import InputError, JournalError
from rollout.journal.hash_chain import NewestRow, Row, canonical, parse, verify
from rollout.journal.memory import MemoryJournal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from rollout.decide.record.facts import Fact
    from rollout.ports import Entry, SkippedObservation

RECORDING = ".jsonl"
_MEMBERS = {"seq": int, "previous": str, "hash": str, "fact": dict}


def to_lines(rows: Iterable[Row]) -> Iterator[str]:
    """Write each row as one line of JSON, without a line end.

    The fact's text goes in as it is stored, because the hash covers exactly that text.
    """
    for row in rows:
        yield (
            f'{{"seq":{row.seq},"previous":"{row.previous}","hash":"{row.hash}","fact":{row.text}}}'
        )


def export(rows: Iterable[Row], path: Path) -> None:
    """Write rows to a new `.jsonl` file, a recording, for its owner's eyes alone.

    A link in its place, wherever it leads, is a file that exists already. Raises InputError when
    that fails.
    """
    write_lines(to_lines(rows), path)


def write_lines(lines: Iterable[str], path: Path, suffix: str = RECORDING) -> None:
    """Write lines to a new file, as `export` does. Raises InputError when that fails."""
    if path.suffix != suffix:
        raise InputError(f"{path}: the name of an export ends in {suffix}")
    text = "".join(f"{line}\n" for line in lines)
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as file:
            file.write(text)
    except FileExistsError as error:
        raise InputError(f"{path} exists already: choose another name") from error
    except OSError as error:
        raise InputError(f"{path} cannot be written: {error.strerror}") from error


def from_lines(lines: Iterable[str]) -> list[Row]:
    """Read and verify the rows of a recording's lines; blank lines are skipped.

    A fact's text is first brought back to its canonical form, so a tool that only changed spaces
    or the order of keys does no harm. Raises JournalError naming the line or the entry.
    """
    rows = parse_lines(lines)
    verify(rows)
    return rows


def parse_lines(lines: Iterable[str], first: int = 1) -> list[Row]:
    """Read the rows of a recording's lines without checking their chain. Raises JournalError.

    `first` is the number of the first line in its file.
    """
    numbered = enumerate(lines, start=first)
    parsed = (_parse_line(number, line) for number, line in numbered if line.strip())
    return [row for row in parsed if row is not None]


def _parse_line(number: int, line: str) -> Row | None:
    """Return a line's row; None for the head of a segment that holds a journal's first entries."""
    try:
        # Without these hooks Python takes the last of two members, and NaN, which is no JSON.
        members = json.loads(
            line, object_pairs_hook=_reject_duplicates, parse_constant=_reject_constant
        )
    except (ValueError, RecursionError) as error:
        raise JournalError(f"line {number} is not a journal entry: {error}") from error
    if isinstance(members, dict) and "segment" in members:
        if number > 1:
            raise JournalError(f"line {number} is the first of a sealed segment: it was moved here")
        _check_begins(members["segment"])
        return None
    if not isinstance(members, dict) or {key: type(members[key]) for key in members} != _MEMBERS:
        raise JournalError(
            f"line {number} is not a journal entry: it needs seq, previous, hash and fact"
        )
    try:
        text = canonical(members["fact"])
    except ValueError as error:  # 1e999 is infinite to Python, and no JSON
        raise JournalError(f"line {number} is not a journal entry: {error}") from error
    return Row(members["seq"], text, members["previous"], members["hash"])


def _check_begins(head: object) -> None:
    """Raise JournalError unless a segment begins with the first entry: it is a recording then."""
    first = head.get("first") if isinstance(head, dict) else None
    if first != 1:
        raise JournalError(
            "this sealed segment begins later than its journal: surefoot verify reads it; after "
            "those before it, each without its first line (tail -qn +2), every command does"
        )


def _reject_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a member is there twice")
    return members


def _reject_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON")


class LinesJournal:
    """A recording, for reading only.

    The file is read again where it has changed since, because it may grow meanwhile. What was read
    before has to be in it still: another recording in its place raises JournalError.
    """

    def __init__(self, path: Path | str) -> None:
        self._path, self._known, self._lock = Path(path), NewestRow(), Lock()
        self._loaded, self._version = MemoryJournal(), tuple[int, ...]()

    def append(self, facts: Sequence[Fact], after: int) -> list[Entry]:
        """Raise JournalError: a recording does not change."""
        raise JournalError(
            f"{self._path} is an export, which is read-only: "
            f"{len(facts):,} facts after entry {after:,} refused"
        )

    def rows(self, after: int = 0, most: int | None = None) -> list[Row]:
        """The sealed rows above `after`, the first `most`. Raises JournalError."""
        return self._load().rows(after, most)

    def head(self) -> int:
        """The number of the newest entry, 0 where there is none. Raises JournalError."""
        return self._load().head()

    def read(self, after: int = 0, most: int | None = None) -> list[Entry]:
        """See rollout.ports.Journal."""
        return self._load().read(after, most)

    def read_unverified(self) -> list[Entry]:
        """Return all entries, whatever their chain says. Raises JournalError for other files."""
        return list(map(parse, self._read_lines(parse_lines)))

    def scan(self) -> Iterator[Entry | SkippedObservation]:
        """See rollout.ports.Journal."""
        return self._load().scan()

    def read_at(self, places: Sequence[int]) -> Iterator[Entry]:
        """See rollout.ports.Journal."""
        return self._load().read_at(places)

    def close(self) -> None:
        """Do nothing: no file stays open between calls."""

    def _load(self) -> MemoryJournal:
        with self._lock:
            version = self._read_version()
            if not version or version != self._version:
                self._loaded = MemoryJournal(self._load_rows())
                self._version = version
            return self._loaded

    def _read_version(self) -> tuple[int, ...]:
        """Return what tells one state of the file from another; empty where nobody can tell."""
        try:
            state = self._path.stat()
        except OSError:
            return ()
        return state.st_dev, state.st_ino, state.st_size, state.st_mtime_ns, state.st_ctime_ns

    def _load_rows(self) -> list[Row]:
        rows = self._read_lines(from_lines)
        after = self._known.newest.seq
        self._known.check_kept(after, rows[after - 1] if 0 < after <= len(rows) else None)
        if rows:
            self._known.note(rows[-1])
        return rows

    def _read_lines(self, read: Callable[[Iterable[str]], list[Row]]) -> list[Row]:
        try:
            with open_text(self._path) as lines:
                return read(lines)
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or error
            raise JournalError(f"{self._path} cannot be read: {reason}") from error
