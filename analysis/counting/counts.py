"""One look's counts of one metric per arm: all that the statistics ever see."""

from __future__ import annotations

from dataclasses import dataclass

EXACT = 2**53
"""The largest count that a floating-point number holds exactly; 10^12 is far below it."""

INEXACT = "a counter is beyond 2^53, where it is no longer exact"


class EvidenceError(ValueError):
    """Numbers that are no counts, or counts that cannot be compared; the message says why."""


@dataclass(frozen=True)
class Counts:
    """One look's counts of one metric; additive over series and pods, never over looks.

    A rate (`edges` is empty): each arm is (exposures, bad units). A shape: each arm is one count
    per bucket, not cumulative, bucket i holding values above edge i-1 up to edge i; the last edge
    is infinity. Zero counts without edges are the neutral element of addition for both kinds:
    nothing was seen, so the layout may be unknown.

    Raises:
        EvidenceError: a count that is negative, no whole number or not finite, or not one count for
            each kind or bucket.
    """

    canary: tuple[int, ...] = (0, 0)
    stable: tuple[int, ...] = (0, 0)
    edges: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        for counts in (self.canary, self.stable):
            _check(counts, len(self.edges) or 2)

    def __add__(self, other: Counts) -> Counts:
        """The counts of both. Raises EvidenceError when their buckets differ."""
        if self._neutral or other._neutral:
            return other if self._neutral else self
        if self.edges != other.edges:
            raise EvidenceError("bucket layouts differ")
        return Counts(_sum(self.canary, other.canary), _sum(self.stable, other.stable), self.edges)

    @property
    def _neutral(self) -> bool:
        return not self.edges and not any(self.canary) and not any(self.stable)

    @property
    def canary_exposures(self) -> int:
        """The canary's requests or labels."""
        return sum(self.canary) if self.edges else self.canary[0]

    @property
    def stable_exposures(self) -> int:
        """Stable's requests or labels."""
        return sum(self.stable) if self.edges else self.stable[0]

    @property
    def canary_bad(self) -> int:
        """Bad units of the canary; of a rate only: raises EvidenceError for a histogram."""
        return _bad(self.edges, self.canary)

    @property
    def stable_bad(self) -> int:
        """Bad units of stable; of a rate only: raises EvidenceError for a histogram."""
        return _bad(self.edges, self.stable)


def _check(counts: tuple[int, ...], width: int) -> None:
    try:
        whole = tuple(map(int, counts))
    except (ValueError, OverflowError):
        raise EvidenceError("a count is not a finite number") from None
    if whole != counts:
        raise EvidenceError("a count is not a whole number")
    if len(counts) != width:
        raise EvidenceError("there is not one count for each bucket")
    if min(counts) < 0:
        raise EvidenceError("a count is negative")


def _sum(one: tuple[int, ...], other: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(a + b for a, b in zip(one, other, strict=True))


def _bad(edges: tuple[float, ...], counts: tuple[int, ...]) -> int:
    if edges:
        raise EvidenceError("a histogram has no bad units, only buckets")
    return counts[1]
