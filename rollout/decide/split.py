"""Traffic as integer weights with one constant total per rollout."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


@dataclass(frozen=True)
class Split:
    """Integer weights: `canary` of `total`, stable has the rest. Raises ValueError outside."""

    canary: int
    total: int = 100

    def __post_init__(self) -> None:
        if not 0 <= self.canary <= self.total or self.total < 1:
            raise ValueError(f"a canary weight of {self.canary} of {self.total} is no split")

    @property
    def stable(self) -> int:
        return self.total - self.canary

    @property
    def share(self) -> float:
        """The canary's share of traffic, 0 to 1."""
        return self.canary / self.total


def total_for(shares: Iterable[float]) -> int:
    """100 where every share is a whole per cent, else 10,000."""
    whole = all(abs(share * 100 - round(share * 100)) < 1e-9 for share in shares)
    return 100 if whole else 10_000


def split_at(share: float, total: int) -> Split:
    """The nearest split to a share; a positive share never becomes nothing."""
    canary = round(share * total)
    return Split(max(canary, 1) if share > 0 else 0, total)
