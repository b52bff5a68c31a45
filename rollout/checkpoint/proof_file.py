"""Proofs as text files, each with the signed checkpoint that it leads to.

Formats: C2SP tlog-proof, version 1, for an entry, with its text as the extra line; for two
checkpoints the body of tlog-witness' `add-checkpoint`. Both verify without a journal.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rollout.checkpoint import note
from rollout.checkpoint.base64_text import decode, encode
from rollout.checkpoint.note import SignedCheckpoint
from rollout.checkpoint.proof import is_consistent, root_of_inclusion
from rollout.errors import JournalError

_HEAD = "c2sp.org/tlog-proof@v1"
_OLD = "old "
_MOST = 63  # hashes: more entries than a file can hold


@dataclass(frozen=True)
class EntryProof:
    """That a text is the entry at `index`, counted from 0, of what a checkpoint was signed over."""

    index: int
    text: bytes
    hashes: tuple[bytes, ...]
    signed: SignedCheckpoint

    @property
    def holds(self) -> bool:
        """Whether the hashes lead to the checkpoint's root; its signature is another question."""
        size, root = self.signed.checkpoint.size, self.signed.checkpoint.root
        return root_of_inclusion(self.text, self.index, size, self.hashes) == root


@dataclass(frozen=True)
class GrowthProof:
    """That the first `old` entries of what a checkpoint was signed over are still the same."""

    old: int
    hashes: tuple[bytes, ...]
    signed: SignedCheckpoint

    def holds_since(self, root: bytes) -> bool:
        """Return whether the tree of `old` entries with this root grew to the checkpoint's."""
        newer = self.signed.checkpoint
        return is_consistent(self.old, root, newer.size, newer.root, self.hashes)


def format_entry(index: int, text: bytes, hashes: Sequence[bytes], checkpoint: str) -> str:
    """Write the proof of an entry; `checkpoint` is the signed note, word for word."""
    head = [_HEAD, f"extra {encode(text)}", f"index {index}", *map(encode, hashes)]
    return "\n".join([*head, "", checkpoint])


def format_growth(old: int, hashes: Sequence[bytes], checkpoint: str) -> str:
    """Write the proof that the first `old` entries are still the same."""
    return "\n".join([f"{_OLD}{old}", *map(encode, hashes), "", checkpoint])


def parse_proof(text: str) -> EntryProof | GrowthProof:
    """Read a proof of either kind. Raises JournalError."""
    head, _, rest = text.partition("\n\n")
    checkpoints = list(note.parse(rest))
    if len(checkpoints) != 1:
        raise JournalError("a proof ends with one signed checkpoint")
    lines = head.split("\n")
    if lines[0].startswith(_OLD):
        return GrowthProof(_number(lines[0], _OLD), _hashes(lines[1:]), checkpoints[0])
    if lines[0] != _HEAD or len(lines) < 3 or not lines[1].startswith("extra "):
        raise JournalError(f"a proof begins with {_HEAD}, an extra line with the entry, an index")
    entry = _decode(lines[1].removeprefix("extra "))
    return EntryProof(_number(lines[2], "index "), entry, _hashes(lines[3:]), checkpoints[0])


def _number(line: str, word: str) -> int:
    digits = line.removeprefix(word)
    is_number = line.startswith(word) and digits.isascii() and digits.isdecimal()
    if not is_number or str(int(digits[:19])) != digits:
        raise JournalError(f"a proof's line `{word}` has a number without leading zeroes")
    return int(digits)


def _hashes(lines: Sequence[str]) -> tuple[bytes, ...]:
    hashes = tuple(map(_decode, lines))
    if len(hashes) > _MOST or any(len(step) != 32 for step in hashes):
        raise JournalError(f"a proof has at most {_MOST} hashes of 32 bytes")
    return hashes


def _decode(text: str) -> bytes:
    try:
        return decode(text)
    except ValueError:
        raise JournalError("a line of the proof is not in base64") from None
