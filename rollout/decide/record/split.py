"""A traffic split: integer weights with one constant total per rollout, and their mode."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Iterable

Way = Literal["weights", "segment", "mirror"]


@dataclass(frozen=True)
class Split:
    """Integer weights: `canary` of `total`; stable has the rest.

    With several canaries, `canary` is their sum and `canaries` is the weight of each, in the order
    of the mesh's arms. With one canary, `canaries` is empty.

    `way` is the mode, under the name that journals have for it. It says which requests the weights
    split. `weights`: all of them. `segment`: those of the plan's segment, while all others go to
    stable. `mirror`: stable answers every request, and the canary gets copies of that share, whose
    answers no user gets. A canary weight of 0 is the same in every mode and for every number of
    canaries, so it is always written as `weights` of one: equal splits then compare equal. Raises
    ValueError for weights outside 0 to `total`, for 0 in another mode, and for `canaries` that are
    not several with this sum.
    """

    canary: int
    total: int = 100
    way: Way = "weights"
    canaries: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if not 0 <= self.canary <= self.total or self.total < 1:
            raise ValueError(f"a canary weight of {self.canary} of {self.total} is no split")
        if not self.canary and self.way != "weights":
            raise ValueError(f"nothing for the canary is no {self.way}: write it as weights")
        if self.canaries and not self._has_valid_canaries():
            raise ValueError(f"canaries of {self.canaries} are not several with {self.canary}")

    def _has_valid_canaries(self) -> bool:
        is_sum = sum(self.canaries) == self.canary > 0
        return is_sum and len(self.canaries) > 1 and min(self.canaries) >= 0

    def canary_weights(self, count: int) -> tuple[int, ...]:
        """Return the weight of each of `count` canaries; those that are not split get 0.

        Raises ValueError if the split is of more.
        """
        weights = self.canaries or (self.canary,)
        if len(weights) > count:
            raise ValueError(f"a split of {len(weights)} canaries for {count}")
        return weights + (0,) * (count - len(weights))

    @property
    def stable(self) -> int:
        return self.total - self.canary

    @property
    def share(self) -> float:
        """The canary's share, 0 to 1, of the requests that the mode splits."""
        return self.canary / self.total

    @property
    def served_share(self) -> float:
        """The share, 0 to 1, that the canary answers for users; 0 while it gets only copies."""
        return 0.0 if self.way == "mirror" else self.share


FINE = 10_000
"""The total of splits whose shares are no whole per cents."""


def total_for(shares: Iterable[float]) -> int:
    """Return 100 where every share is a whole per cent, else `FINE`."""
    whole = all(abs(share * 100 - round(share * 100)) < 1e-9 for share in shares)
    return 100 if whole else FINE


def split_at(share: float, total: int, way: Way = "weights") -> Split:
    """Return the nearest split to a share; a positive share never becomes a weight of 0."""
    canary = max(round(share * total), 1) if share > 0 else 0
    return Split(canary, total, way if canary else "weights")
