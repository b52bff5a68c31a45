"""One look's counts of one metric per arm: the only input of the statistics."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import zip_longest

EXACT = 2**53
"""The largest count that a float64 holds exactly; 10^12 is far below it."""

INEXACT = "a counter is beyond 2^53, where it is no longer exact"


class EvidenceError(ValueError):
    """The numbers are not counts, or the counts cannot be compared; the message says why."""


@dataclass(frozen=True)
class Counts:
    """One look's counts of one metric; additive over series and pods, never over looks.

    For a rate (`edges` is empty), each arm is (exposures, bad units). For a histogram, each arm has
    one count per bucket, not cumulative: bucket i holds values above edge i-1 up to edge i, and the
    last edge is infinity. Zero counts without edges are the neutral element of addition for both
    kinds, because a look without samples does not reveal the bucket layout. Of a rate's exposures
    so many are `unlabelled`: nobody can tell whether they are bad, and none is among the bad ones.
    Of some metrics further kinds of units are counted `apart`, in an order that the metric knows.

    Raises:
        EvidenceError: a count is negative, not whole or not finite, or the number of counts differs
            from the number of kinds or buckets.
    """

    canary: tuple[int, ...] = (0, 0)
    stable: tuple[int, ...] = (0, 0)
    edges: tuple[float, ...] = ()
    canary_unlabelled: int = 0
    stable_unlabelled: int = 0
    canary_apart: tuple[int, ...] = ()
    stable_apart: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        for counts in (self.canary, self.stable):
            _check(counts, len(self.edges) or 2)

    def __add__(self, other: Counts) -> Counts:
        """Add the counts of both. Raises EvidenceError when their buckets differ."""
        if self._is_neutral or other._is_neutral:
            return other if self._is_neutral else self
        if self.edges != other.edges:
            raise EvidenceError("bucket layouts differ")
        return Counts(
            _add(self.canary, other.canary),
            _add(self.stable, other.stable),
            self.edges,
            self.canary_unlabelled + other.canary_unlabelled,
            self.stable_unlabelled + other.stable_unlabelled,
            _add_apart(self.canary_apart, other.canary_apart),
            _add_apart(self.stable_apart, other.stable_apart),
        )

    @property
    def _is_neutral(self) -> bool:
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
        """The canary's bad units; raises EvidenceError for a histogram."""
        return _read_bad(self.edges, self.canary)

    @property
    def stable_bad(self) -> int:
        """Stable's bad units; raises EvidenceError for a histogram."""
        return _read_bad(self.edges, self.stable)


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


def _add(counts: tuple[int, ...], other: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(a + b for a, b in zip(counts, other, strict=True))


def _add_apart(counts: tuple[int, ...], other: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(map(sum, zip_longest(counts, other, fillvalue=0)))


def _read_bad(edges: tuple[float, ...], counts: tuple[int, ...]) -> int:
    if edges:
        raise EvidenceError("a histogram has no bad units, only buckets")
    return counts[1]
