"""The tree of RFC 6962 over a journal's entries: one hash stands for the first N of them.

How it works: entries are added one at a time. Kept are only the roots of the full subtrees so far,
the largest first, as the binary digits of the number of entries tell: equal ones are joined.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Sequence
from functools import reduce

EMPTY = hashlib.sha256().digest()


class GrowingTree:
    """A tree to which leaves are added; `subtrees` are all that is kept of those before.

    Raises ValueError for subtrees that are not of `size` leaves.
    """

    def __init__(self, size: int = 0, subtrees: Sequence[bytes] = ()) -> None:
        if size < 0 or len(subtrees) != size.bit_count():
            raise ValueError(f"{len(subtrees)} subtrees are not of {size} leaves")
        self.size, self.subtrees = size, [*subtrees]

    def add(self, leaf: bytes) -> None:
        """Add a leaf."""
        self.size += 1
        self.subtrees.append(hash_leaf(leaf))
        for _ in range(_count_trailing_zeros(self.size)):
            right = self.subtrees.pop()
            self.subtrees.append(join(self.subtrees.pop(), right))

    @property
    def root(self) -> bytes:
        """The root over all leaves so far (RFC 6962, section 2.1)."""
        if not self.size:
            return EMPTY
        return reduce(lambda right, left: join(left, right), reversed(self.subtrees))


def roots(leaves: Iterable[bytes], sizes: Collection[int]) -> dict[int, bytes]:
    """Compute the root of the first N leaves for each N in `sizes`.

    Sizes beyond the number of leaves have none.
    """
    tree = GrowingTree()
    roots_by_size = {0: tree.root} if 0 in sizes else {}
    for leaf in leaves:
        tree.add(leaf)
        if tree.size in sizes:
            roots_by_size[tree.size] = tree.root
    return roots_by_size


def _count_trailing_zeros(number: int) -> int:
    return (number & -number).bit_length() - 1


def hash_leaf(leaf: bytes) -> bytes:
    """Return the hash of a leaf, which is never that of two subtrees."""
    return hashlib.sha256(b"\x00" + leaf).digest()


def join(left: bytes, right: bytes) -> bytes:
    """Return the hash of two subtrees."""
    return hashlib.sha256(b"\x01" + left + right).digest()
