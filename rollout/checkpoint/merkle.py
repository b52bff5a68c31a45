"""The tree of RFC 6962 over a journal's entries: one hash stands for the first N of them.

How it works: entries are added one at a time. Kept are only the roots of the full subtrees so far,
the largest first, as the binary digits of the number of entries tell: equal ones are joined.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable
from functools import reduce

EMPTY = hashlib.sha256().digest()


def roots(leaves: Iterable[bytes], sizes: Collection[int]) -> dict[int, bytes]:
    """Compute the root of the first N leaves for each N in `sizes` (RFC 6962, section 2.1).

    Sizes beyond the number of leaves have none.
    """
    roots_by_size = {0: EMPTY} if 0 in sizes else {}
    subtrees: list[bytes] = []
    for size, leaf in enumerate(leaves, start=1):
        subtrees.append(_hash(b"\x00", leaf))
        for _ in range(_count_trailing_zeros(size)):
            right = subtrees.pop()
            subtrees.append(_join(subtrees.pop(), right))
        if size in sizes:
            roots_by_size[size] = reduce(lambda right, left: _join(left, right), reversed(subtrees))
    return roots_by_size


def _count_trailing_zeros(number: int) -> int:
    return (number & -number).bit_length() - 1


def _join(left: bytes, right: bytes) -> bytes:
    return _hash(b"\x01", left + right)


def _hash(prefix: bytes, content: bytes) -> bytes:
    return hashlib.sha256(prefix + content).digest()
