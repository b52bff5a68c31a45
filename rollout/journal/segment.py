r"""Sealed segments: a range of a journal's entries that verifies without those before it.

A segment is a recording whose first line says where it belongs: the number of its first entry, the
hash of the entry before, the roots of the full subtrees over all entries before (as many hashes as
their number has binary ones), and the signed checkpoint of its last entry. With its own entries
these subtrees lead to the root that was signed. So an older segment can be destroyed when its time
is over, and the younger ones stay as provable as they were.

A segment that begins later may hold the journal's first entry besides, with its audit path to the
first of the subtrees: the chain's name follows from that entry alone, and so it is proven.
"""

from __future__ import annotations

import json
from codecs import BOM_UTF8
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rollout.answers.plain_file import open_text
from rollout.checkpoint import note
from rollout.checkpoint.base64_text import decode, encode
from rollout.checkpoint.merkle import GrowingTree
from rollout.checkpoint.note import SignedCheckpoint
from rollout.checkpoint.proof import prove_inclusion, root_of_inclusion
from rollout.decide.record.write_id import name_chain
from rollout.errors import InputError, JournalError
from rollout.journal import jsonl
from rollout.journal.hash_chain import GENESIS, Row, digest, verify

_HEAD = '{"segment":'
_KEYS = {"first": int, "previous": str, "subtrees": list, "checkpoint": str}
_BEGINNING = {"text": str, "path": list}


@dataclass(frozen=True)
class Beginning:
    """The first entry's text, and its audit path in the largest full subtree before a segment."""

    text: str
    path: tuple[bytes, ...]

    def leads_to(self, root: bytes, before: int) -> bool:
        """Return whether the entry is the first of that subtree, of `before` entries in all."""
        size = 1 << before.bit_length() - 1
        return root_of_inclusion(self.text.encode(), 0, size, self.path) == root


@dataclass(frozen=True)
class SealedSegment:
    """Entries whose chain holds, and the checkpoint that was signed over them and all before."""

    rows: tuple[Row, ...]
    subtrees: tuple[bytes, ...]  # roots of the full subtrees over the entries before
    signed: SignedCheckpoint
    beginning: Beginning | None = None

    @property
    def first(self) -> int:
        """The number of the first entry."""
        return self.rows[0].seq

    @property
    def chain(self) -> str | None:
        """The name of its chain, where something in it proves that."""
        if self.first == 1:
            return name_chain(self.rows[0].hash)
        return name_chain(digest(GENESIS, 1, self.beginning.text)) if self.beginning else None

    def roots(self) -> dict[int, bytes]:
        """Return the root of the whole journal at each entry of the segment, and before it."""
        tree = GrowingTree(self.first - 1, self.subtrees)
        roots = {tree.size: tree.root}
        for row in self.rows:
            tree.add(row.text.encode())
            roots[tree.size] = tree.root
        return roots


def seal_segment(
    rows: Sequence[Row], first: int, signed: SignedCheckpoint, *, names_chain: bool = False
) -> SealedSegment:
    """Return the segment from entry `first` to the last that a checkpoint was signed over.

    `rows` are the whole journal's. With `names_chain` it holds the first of them as well. Raises
    InputError for a range without entries, JournalError for a checkpoint that does not hold.
    """
    size = signed.checkpoint.size
    if not 1 <= first <= size:
        raise InputError(f"there is no entry from {first:,} to {size:,}, the checkpoint's last")
    if size > len(rows):
        raise JournalError(f"the checkpoint was signed over {size:,} entries: some were cut off")
    tree = GrowingTree()
    for row in rows[: first - 1]:
        tree.add(row.text.encode())
    beginning = _find_beginning(rows[: first - 1]) if names_chain and first > 1 else None
    segment = SealedSegment(tuple(rows[first - 1 : size]), tuple(tree.subtrees), signed, beginning)
    _check_signed(segment)
    return segment


def _find_beginning(before: Sequence[Row]) -> Beginning:
    size = 1 << len(before).bit_length() - 1
    path = prove_inclusion([row.text.encode() for row in before[:size]], 0)
    return Beginning(before[0].text, tuple(path))


def to_lines(segment: SealedSegment) -> Iterable[str]:
    """Write a segment as lines of JSON, without line ends."""
    head: dict[str, Any] = {
        "first": segment.first,
        "previous": segment.rows[0].previous,
        "subtrees": [encode(root) for root in segment.subtrees],
        "checkpoint": segment.signed.note,
    }
    if segment.beginning:
        path = [encode(own) for own in segment.beginning.path]
        head["beginning"] = {"text": segment.beginning.text, "path": path}
    yield json.dumps({"segment": head}, separators=(",", ":"), ensure_ascii=False)
    yield from jsonl.to_lines(segment.rows)


def is_segment(path: Path) -> bool:
    """Return whether a file begins as a segment does. Raises OSError."""
    with open_text(path) as file:
        beginning = file.buffer.read(len(BOM_UTF8) + len(_HEAD))
    return beginning.removeprefix(BOM_UTF8).startswith(_HEAD.encode())


def read_segment(path: Path) -> SealedSegment:
    """Read a segment whose chain holds and whose entries are those that were signed.

    Who signed them is for the caller to check. Raises JournalError naming the first bad entry.
    """
    try:
        with open_text(path) as lines:
            head, rows = _parse_head(next(lines, "")), jsonl.parse_lines(lines, 2)
    except (OSError, UnicodeDecodeError) as error:
        raise JournalError(f"{path} cannot be read: {error}") from error
    before = Row(head["first"] - 1, "", "", head["previous"])
    if not rows or (not before.seq and before.hash != GENESIS):
        raise JournalError("a segment has at least one entry, and the first of all follows none")
    verify(rows, before)
    checkpoints = list(note.parse(head["checkpoint"]))
    if len(checkpoints) != 1:
        raise JournalError("a segment has one signed checkpoint")
    subtrees, beginning = tuple(head["subtrees"]), head.get("beginning")
    segment = SealedSegment(tuple(rows), subtrees, checkpoints[0], beginning)
    _check_signed(segment)
    if beginning and not beginning.leads_to(subtrees[0], before.seq):
        raise JournalError("the first entry of the journal, in line 1, is another one")
    return segment


def _parse_head(line: str) -> dict[str, Any]:
    try:
        head = json.loads(line)["segment"]
        beginning = _parse_beginning(head.pop("beginning")) if "beginning" in head else None
        if {key: type(head[key]) for key in head} != _KEYS or head["first"] < 1 + bool(beginning):
            raise ValueError("other keys")  # noqa: TRY301 - one answer to whatever is wrong
        head["subtrees"] = [decode(root) for root in head["subtrees"]]
        GrowingTree(head["first"] - 1, head["subtrees"])
    except (ValueError, TypeError, LookupError, AttributeError, RecursionError):
        raise JournalError("line 1 does not say where the segment belongs") from None
    return {**head, "beginning": beginning}


def _parse_beginning(members: dict[str, Any]) -> Beginning:
    """Return the first entry and its path. Raises ValueError."""
    if {key: type(members[key]) for key in members} != _BEGINNING:
        raise ValueError("other keys")
    members["text"].encode()  # raises for a lone surrogate, which no entry has
    return Beginning(members["text"], tuple(map(decode, members["path"])))


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
