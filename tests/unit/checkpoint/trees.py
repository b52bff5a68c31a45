"""Leaves of the reference implementation, and the tree by its definition."""

import hashlib

# The leaves and roots of the reference implementation's tests (google/certificate-transparency).
LEAVES = [
    bytes.fromhex(text)
    for text in (
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
]


def define(leaves):
    """Compute the root as section 2.1 defines it."""
    if len(leaves) < 2:
        return hashlib.sha256(b"\0" + leaves[0] if leaves else b"").digest()
    split = 1 << (len(leaves) - 1).bit_length() - 1
    return hashlib.sha256(b"\1" + define(leaves[:split]) + define(leaves[split:])).digest()
