r"""Sealed segments: a range of a journal's entries that verifies without those before it.

A segment is a recording whose first line says where it belongs: the number of its first entry, the
hash of the entry before, the roots of the full subtrees over all entries before (as many hashes as
their number has binary ones), and the signed checkpoint of its last entry. With its own entries
these subtrees lead to the root that was signed. So an older segment can be destroyed when its time
is over, and the younger ones stay as provable as they were.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rollout.answers.plain_file import open_text
from rollout.checkpoint import note
from rollout.checkpoint.base64_text import decode, encode
from rollout.checkpoint.merkle import GrowingTree
from rollout.checkpoint.note import SignedCheckpoint
from rollout.errors import InputError, JournalError
from rollout.journal import jsonl
from rollout.journal.hash_chain import GENESIS, Row, verify

_HEAD = '{"segment":'
_KEYS = {"first": int, "previous": str, "subtrees": list, "checkpoint": str}


@dataclass(frozen=True)
class SealedSegment:
    """Entries whose chain holds, and the checkpoint that was signed over them and all before."""

    rows: tuple[Row, ...]
    subtrees: tuple[bytes, ...]  # roots of the full subtrees over the entries before
    signed: SignedCheckpoint

    @property
    def first(self) -> int:
        """The number of the first entry."""
        return self.rows[0].seq

    def roots(self) -> dict[int, bytes]:
        """Return the root of the whole journal at each entry of the segment, and before it."""
        tree = GrowingTree(self.first - 1, self.subtrees)
        roots = {tree.size: tree.root}
        for row in self.rows:
            tree.add(row.text.encode())
            roots[tree.size] = tree.root
        return roots


def seal_segment(rows: Sequence[Row], first: int, signed: SignedCheckpoint) -> SealedSegment:
    """Return the segment from entry `first` to the last that a checkpoint was signed over.

    `rows` are the whole journal's. Raises InputError for a range without entries, JournalError for
    a checkpoint that does not hold.
    """
    size = signed.checkpoint.size
    if not 1 <= first <= size:
        raise InputError(f"there is no entry from {first:,} to {size:,}, the checkpoint's last")
    if size > len(rows):
        raise JournalError(f"the checkpoint was signed over {size:,} entries: some were cut off")
    tree = GrowingTree()
    for row in rows[: first - 1]:
        tree.add(row.text.encode())
    segment = SealedSegment(tuple(rows[first - 1 : size]), tuple(tree.subtrees), signed)
    _check_signed(segment)
    return segment


def to_lines(segment: SealedSegment) -> Iterable[str]:
    """Write a segment as lines of JSON, without line ends."""
    head = {
        "first": segment.first,
        "previous": segment.rows[0].previous,
        "subtrees": [encode(root) for root in segment.subtrees],
        "checkpoint": segment.signed.note,
    }
    yield json.dumps({"segment": head}, separators=(",", ":"), ensure_ascii=False)
    yield from jsonl.to_lines(segment.rows)


def is_segment(path: Path) -> bool:
    """Return whether a file begins as a segment does. Raises OSError."""
    with open_text(path) as file:
        return file.buffer.read(len(_HEAD)) == _HEAD.encode()


def read_segment(path: Path) -> SealedSegment:
    """Read a segment whose chain holds and whose entries are those that were signed.

    Who signed them is for the caller to check. Raises JournalError naming the first bad entry.
    """
    try:
        with open_text(path) as lines:
            head, rows = _parse_head(next(lines, "")), jsonl.parse_lines(lines)
    except (OSError, UnicodeDecodeError) as error:
        raise JournalError(f"{path} cannot be read: {error}") from error
    before = Row(head["first"] - 1, "", "", head["previous"])
    if not rows or (not before.seq and before.hash != GENESIS):
        raise JournalError("a segment has at least one entry, and the first of all follows none")
    verify(rows, before)
    checkpoints = list(note.parse(head["checkpoint"]))
    if len(checkpoints) != 1:
        raise JournalError("a segment has one signed checkpoint")
    segment = SealedSegment(tuple(rows), tuple(head["subtrees"]), checkpoints[0])
    _check_signed(segment)
    return segment


def _parse_head(line: str) -> dict[str, Any]:
    try:
        head = json.loads(line)["segment"]
        if {key: type(head[key]) for key in head} != _KEYS or head["first"] < 1:
            raise ValueError("other keys")  # noqa: TRY301 - one answer to whatever is wrong
        head["subtrees"] = [decode(root) for root in head["subtrees"]]
        GrowingTree(head["first"] - 1, head["subtrees"])
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        raise JournalError("line 1 does not say where the segment belongs") from None
    return dict(head)


def _check_signed(segment: SealedSegment) -> None:
    """Raise JournalError unless the entries lead to the root that was signed."""
    last, checkpoint = segment.rows[-1].seq, segment.signed.checkpoint
    if last != checkpoint.size:
        raise JournalError(
            f"the segment ends with entry {last:,}, and its checkpoint with {checkpoint.size:,}: "
            "entries were cut off or added"
        )
    if segment.roots()[last] != checkpoint.root:
        raise JournalError(
            f"the checkpoint was signed over other entries: among the first {last:,} some were "
            "written anew"
        )
