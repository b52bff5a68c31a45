"""Names series and targets in the journal without their labels: keyed digests (HMAC-SHA256)."""

from __future__ import annotations

import hmac
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property

_LETTERS = 16
"""Hexadecimal digits of a digest: 64 bits.

Of a million series of one guardrail any two collide with a chance of 10^12 / 2^65 = 3 in 10^8.
"""

Name = Callable[[str], str]
"""Returns the digest of a text, for one guardrail of one rollout."""


@dataclass(frozen=True)
class DigestKey:
    """The secret key of all digests. Without it nobody can try which labels a digest is of."""

    secret: bytes = field(repr=False)

    @cached_property
    def id(self) -> str:
        """What tells this key from another one, and nothing else."""
        return self._digest("surefoot.dev/key")

    def of(self, rollout: str, guardrail: str) -> Name:
        """Return the digest for texts of one guardrail; another rollout has others."""
        return lambda text: self._digest(f"{rollout}\0{guardrail}\0{text}")

    def _digest(self, text: str) -> str:
        return hmac.digest(self.secret, text.encode(), "sha256").hex()[:_LETTERS]
