"""Is the canary better, not only not worse? The tests of a rate at a margin of nothing, both ways.

How it works: a rate's evidence of safety, at a margin of nothing, is evidence that the canary has
fewer bad units than stable; its evidence of harm is evidence that it has more. Both hold however
often they are looked at, and whatever shares of the traffic earlier looks led to: a look is bet on
given its own exposures, so that shares that are chosen by what came before change no error rate.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple, Protocol, Self

from analysis import family
from analysis.counting.beyond import Worse, count_beyond
from analysis.counting.counts import Counts, EvidenceError
from analysis.dispersion.dispersion import Dispersion
from analysis.fast_replace import replace
from analysis.rates import risk_difference
from analysis.rates.rate import RateMargin
from analysis.rates.risk_difference import Contrast
from analysis.verdict.rate_test import RateTest

Conclusion = Literal["better", "worse", "undecided"]


class Compared(Protocol):
    """Both versions' units and bad ones, and the difference of their shares (None: unknown).

    `log_divisor` is how many times as much the difference varies as that of independent units.
    """

    @property
    def e_c(self) -> int: ...

    @property
    def e_s(self) -> int: ...

    @property
    def x_c(self) -> int: ...

    @property
    def x_s(self) -> int: ...

    @property
    def difference(self) -> float | None:
        """The difference, see `risk_difference.interval`."""

    @property
    def log_divisor(self) -> float:
        """How many times as much the difference varies, see `tempering.total`."""


class GoalTest(Protocol):
    """The test of a goal: whether the canary is better; every change returns a new test.

    `looks` compared both versions, `units` of both; `problem` says why looks are not compared.
    """

    @property
    def edge(self) -> float | None: ...

    @property
    def looks(self) -> int: ...

    @property
    def units(self) -> int: ...

    @property
    def problem(self) -> str: ...

    @property
    def contrast(self) -> Compared: ...

    @property
    def log_better(self) -> float:
        """The log of the evidence that it is, as `SuperiorityTest.log_better`."""

    @property
    def log_worse(self) -> float:
        """The log of the evidence that it is worse, as `SuperiorityTest.log_worse`."""

    def learn(self, counts: Counts) -> Self: ...

    def watch(self, counts: Counts) -> Self: ...

    def update(self, counts: Counts) -> Self: ...

    def with_dispersion(self, dispersion: Dispersion) -> Self: ...

    def bound_difference(self, level: float) -> tuple[float, float]:
        """Bound the difference of shares, as `SuperiorityTest.bound_difference`."""


def _begin_test() -> RateTest:
    return RateTest(RateMargin(1.0, 0.0), has_crash_watch=False)


@dataclass(frozen=True)
class SuperiorityTest:
    """Two shares of bad units, compared without a margin; of a histogram, those beyond one edge.

    `looks` had units of both versions. `problem` says why looks are not compared: their buckets
    lack the edge.
    """

    edge: float | None = None
    worse: Worse = "high"
    test: RateTest = field(default_factory=_begin_test)
    looks: int = 0
    problem: str = ""

    @property
    def contrast(self) -> Contrast:
        """The counts that were compared, and the bets on them."""
        return self.test.capital.contrast

    @property
    def units(self) -> int:
        """The units of both versions that were compared."""
        return self.contrast.e_c + self.contrast.e_s

    @property
    def log_better(self) -> float:
        """The log of the evidence that the canary's share of bad units is smaller; -inf at worst.

        It is an e-process for "not smaller in any look", see `risk_difference.log_safe`.
        """
        return self.test.logs.safe if self.contrast.e_c else 0.0

    @property
    def log_worse(self) -> float:
        """The log of the evidence that the canary's share of bad units is larger, `rate.logs`."""
        return self.test.logs.harm

    def learn(self, counts: Counts) -> Self:
        """Add stable's counts to the past, which only sets prior weights of the bets."""
        own, problem = self._count(counts)
        return self if own is None else replace(self, test=self.test.learn(own), problem=problem)

    def watch(self, counts: Counts) -> Self:
        """Run a look of the warm-up: only stable's past is learnt."""
        return self.learn(counts)

    def update(self, counts: Counts) -> Self:
        """Run a compared look."""
        own, problem = self._count(counts)
        if own is None:
            return replace(self, problem=problem)
        is_compared = bool(own.canary_exposures and own.stable_exposures)
        return replace(
            self, test=self.test.update(own), looks=self.looks + is_compared, problem=problem
        )

    def with_dispersion(self, dispersion: Dispersion) -> Self:
        """Temper all further evidence by the pods' dispersion."""
        return replace(self, test=self.test.with_dispersion(dispersion))

    def bound_difference(self, level: float) -> tuple[float, float]:
        """Bound the difference of shares, canary less stable, at all looks at once: -1 to 1.

        Both sides together fail with chance `level` at most, see `risk_difference.interval`.
        """
        return risk_difference.interval(self.contrast, level / 2, level / 2)

    def _count(self, counts: Counts) -> tuple[Counts | None, str]:
        if self.edge is None:
            return counts, ""
        try:
            return count_beyond(counts, self.edge, self.worse), ""
        except EvidenceError as error:
            return None, str(error)


class GoalResult(NamedTuple):
    """What is known of one goal: evidence as logs, alone and corrected for all goals."""

    better: float
    worse: float
    better_of_all: float
    worse_of_all: float
    conclusion: Conclusion


def conclude(tests: Mapping[str, GoalTest], level: float) -> dict[str, GoalResult]:
    """Conclude on every goal; the chance that any conclusion is ever wrong is at most `level`.

    Better and worse are two questions of one family, see `family.adjust`.
    """
    logs = [*(t.log_better for t in tests.values()), *(t.log_worse for t in tests.values())]
    adjusted = family.adjust(logs)
    count = len(tests)
    return {
        name: _conclude(logs, adjusted, index, index + count, -math.log(level))
        for index, name in enumerate(tests)
    }


def _conclude(
    logs: Sequence[float], adjusted: Sequence[float], more: int, less: int, needed: float
) -> GoalResult:
    conclusion = name_conclusion(adjusted[more], adjusted[less], needed)
    return GoalResult(logs[more], logs[less], adjusted[more], adjusted[less], conclusion)


def name_conclusion(better: float, worse: float, needed: float) -> Conclusion:
    """Return what corrected evidence concludes; of two conclusions the one that goes back."""
    if worse >= needed:
        return "worse"
    return "better" if better >= needed else "undecided"
