"""Proofs for who may not see all entries: one is among the first N, and N are the first of M.

How it works (RFC 6962, section 2.1): the tree over a range splits at the largest power of two below
its size. A proof has the hashes of the subtrees beside the way from the root down, lowest first.
Whoever checks goes the same way with numbers alone, and joins the hashes on the way back up.
"""

from __future__ import annotations

from collections.abc import Sequence

from rollout.checkpoint.merkle import EMPTY, hash_leaf, join, roots


def prove_inclusion(leaves: Sequence[bytes], index: int) -> list[bytes]:
    """Return the audit path of the leaf at `index`, counted from 0 (RFC 6962, section 2.1.1)."""
    if len(leaves) <= 1:
        return []
    split = _split(len(leaves))
    if index < split:
        return [*prove_inclusion(leaves[:split], index), _root(leaves[split:])]
    return [*prove_inclusion(leaves[split:], index - split), _root(leaves[:split])]


def prove_consistency(leaves: Sequence[bytes], first: int) -> list[bytes]:
    """Return the proof that the tree of `first` leaves grew to all (RFC 6962, section 2.1.2)."""
    return _subproof(leaves, first, is_whole=True) if first else []


def _subproof(leaves: Sequence[bytes], first: int, *, is_whole: bool) -> list[bytes]:
    """Return SUBPROOF of the RFC; `is_whole`: the first tree is known to whoever checks."""
    if first == len(leaves):
        return [] if is_whole else [_root(leaves)]
    split = _split(len(leaves))
    if first <= split:
        return [*_subproof(leaves[:split], first, is_whole=is_whole), _root(leaves[split:])]
    return [*_subproof(leaves[split:], first - split, is_whole=False), _root(leaves[:split])]


def root_of_inclusion(leaf: bytes, index: int, size: int, proof: Sequence[bytes]) -> bytes | None:
    """Return the root that a proof leads to; None where it is not of that index and size."""
    if not 0 <= index < size:
        return None
    ways = _ways(index, size)
    if len(ways) != len(proof):
        return None
    root = hash_leaf(leaf)
    for is_left, other in zip(reversed(ways), proof, strict=True):
        root = join(root, other) if is_left else join(other, root)
    return root


def _ways(index: int, size: int) -> list[bool]:
    """Return from the root down whether the leaf is in the left subtree."""
    ways = []
    while size > 1:
        split = _split(size)
        ways.append(index < split)
        index, size = (index, split) if index < split else (index - split, size - split)
    return ways


def is_consistent(
    first: int, first_root: bytes, size: int, root: bytes, proof: Sequence[bytes]
) -> bool:
    """Return whether a proof shows that the tree of `first` leaves grew to that of `size`."""
    if not 0 <= first <= size:
        return False
    if not first:
        return not proof and first_root == EMPTY
    roots_by_proof = _join_consistency(first, size, list(proof), first_root)
    return roots_by_proof == (first_root, root)


def _join_consistency(
    first: int, size: int, proof: list[bytes], first_root: bytes
) -> tuple[bytes, bytes] | None:
    """Return the roots of both trees as a proof has them; None for a proof of other sizes."""
    ways, is_whole = [], True
    while first != size:
        split = _split(size)
        ways.append(first <= split)
        if first <= split:
            size = split
        else:
            first, size, is_whole = first - split, size - split, False
    if len(proof) != len(ways) + (not is_whole):
        return None
    old = new = first_root if is_whole else proof.pop(0)
    for is_left, other in zip(reversed(ways), proof, strict=True):
        # A subtree at the right is of the larger tree alone; one at the left is in both.
        old, new = (old, join(new, other)) if is_left else (join(other, old), join(other, new))
    return old, new


def _split(size: int) -> int:
    return 1 << (size - 1).bit_length() - 1


def _root(leaves: Sequence[bytes]) -> bytes:
    return roots(leaves, {len(leaves)})[len(leaves)]
