"""Check sealed segments and proofs, which need no journal, for `surefoot verify`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rollout.decide.record.facts import Started, of_rollout
from rollout.errors import InputError, JournalError
from rollout.journal.location import JournalLocation, is_url
from rollout.plan.reading.files import read

if TYPE_CHECKING:
    from rollout.checkpoint.note import SignedCheckpoint
    from rollout.journal.segment import SealedSegment
    from rollout.ports import Entry

_LARGEST = 1 << 24  # bytes of a proof: one entry and some hashes


def open_segment(journal: JournalLocation | None) -> SealedSegment | None:
    """Return the sealed segment in a file; None for anything else. Raises JournalError."""
    from rollout.journal.segment import is_segment, read_segment

    if journal is None or is_url(journal):
        return None
    path = Path(journal)
    return read_segment(path) if path.is_file() and is_segment(path) else None


def verify_segment(
    segment: SealedSegment, key: str | None, signed: Sequence[SignedCheckpoint]
) -> str:
    """Check who signed a segment, and other checkpoints inside it; return that in words.

    Raises JournalError.
    """
    first, last = segment.first, segment.rows[-1].seq
    words = f"entries {first:,} to {last:,} are whole"
    # Of a later segment only the first entry proves it, which it has where that was asked for.
    chain = f"; they are of chain {segment.chain}" if segment.chain else ""
    if key is None:
        return f"{words}, as its own checkpoint says; who signed that, --verifier tells{chain}"
    roots = segment.roots()
    inside = [own for own in signed if own.checkpoint.size in roots]
    for own in (segment.signed, *inside):
        _check_signature(own, key)
        size = own.checkpoint.size
        if roots[size] != own.checkpoint.root:
            raise JournalError(
                f"the checkpoint of {size:,} entries was signed over other entries: some were "
                "written anew"
            )
    noun = "checkpoint holds" if len(inside) == 1 else "checkpoints hold"
    more = f", and {len(inside):,} more {noun}" if inside else ""
    return f"{words} and signed with all before them{more}{chain}"


def list_begun(segment: SealedSegment) -> list[Entry]:
    """Return the entries of the rollouts that begin inside a segment: only they can be decided."""
    from rollout.journal.hash_chain import parse

    entries = [parse(row) for row in segment.rows]
    begun: set[str] = set()
    chosen = []
    for entry in entries:
        if isinstance(entry.fact, Started):
            begun.add(entry.fact.rollout)
        if of_rollout(entry.fact) and entry.fact.rollout in begun:
            chosen.append(entry)
    return chosen


def verify_proof(file: Path, key: str | None, signed: Sequence[SignedCheckpoint]) -> str:
    """Check a proof and who signed its checkpoint; return in words what it proves.

    Raises InputError without what the check needs, JournalError for a proof that does not hold.
    """
    from rollout.checkpoint.proof_file import EntryProof, parse_proof

    if key is None:
        raise InputError("a proof is only as good as its signature: --verifier")
    proof = parse_proof(read(file, _LARGEST))
    _check_signature(proof.signed, key)
    size = proof.signed.checkpoint.size
    if isinstance(proof, EntryProof):
        if not proof.holds:
            raise JournalError("the proof does not lead to what was signed: it is of another entry")
        return f"entry {proof.index + 1:,} of {size:,} is\n{_describe(proof.text)}"
    older = next((own for own in signed if own.checkpoint.size == proof.old), None)
    if older is None:
        raise InputError(f"--checkpoints names a file with the checkpoint of {proof.old:,} entries")
    _check_signature(older, key)
    if not proof.holds_since(older.checkpoint.root):
        raise JournalError(f"the first {proof.old:,} entries were written anew")
    return f"the first {proof.old:,} entries are still those of {size:,}"


def _describe(text: bytes) -> str:
    """Return an entry's text with passwords hidden, on one line."""
    from rollout.redact import redact

    return redact(json.dumps(json.loads(text), ensure_ascii=False))


def _check_signature(own: SignedCheckpoint, key: str) -> None:
    from rollout.checkpoint import note

    if not note.verify(own, key):
        size = own.checkpoint.size
        raise JournalError(f"the checkpoint of {size:,} entries is not signed by this key")
