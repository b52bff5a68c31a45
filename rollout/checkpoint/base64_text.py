"""Base64 of which every character counts: no two texts are of the same bytes."""

from __future__ import annotations

import base64


def encode(content: bytes) -> str:
    """Return bytes in base64 (RFC 4648, section 4)."""
    return base64.b64encode(content).decode()


def decode(text: str) -> bytes:
    """Return the bytes of a text that `encode` could have written. Raises ValueError.

    Python ignores the last character's spare bits: a flip there would pass unseen.
    """
    content = base64.b64decode(text, validate=True)
    if encode(content) != text:
        raise ValueError("the last character has bits to spare")
    return content
