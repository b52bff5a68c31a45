"""Count what a rollout's newest looks recorded: rates, bad units and quantiles of each version.

How it works: looks that an observer counted hold their units. Others hold raw samples of the series
that moved, of which the first and the last in these looks are compared; a series that fell was
reset, and is left out.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from analysis.counting.counts import Counts
from analysis.counting.cursor import Arm, Series, buckets
from rollout.decide.record.facts import Observed

_ENOUGH = 100  # units of which one in a hundred is a whole one


@dataclass(frozen=True)
class RecentUnits:
    """One guardrail's counts in so many seconds, until `until` (unix time)."""

    counts: Counts
    seconds: float
    until: float

    def rate(self, arm: Arm) -> float:
        """Return that arm's units per second."""
        return self._units(arm) / self.seconds

    def bad_share(self, arm: Arm) -> float | None:
        """Return the share of bad units; None where there are no units."""
        units = self._units(arm)
        bad = self.counts.canary_bad if arm == "canary" else self.counts.stable_bad
        return bad / units if units else None

    def percentile(self, arm: Arm) -> float | None:
        """Return the edge below which 99 of a hundred values are; None for too few of them.

        Infinity where the last edge does not bound them.
        """
        counts = self.counts.canary if arm == "canary" else self.counts.stable
        total, below = sum(counts), 0
        if not self.counts.edges or total < _ENOUGH:
            return None
        for edge, units in zip(self.counts.edges, counts, strict=True):
            below += units
            if below >= 0.99 * total:
                return edge
        return math.inf

    def _units(self, arm: Arm) -> int:
        counts = self.counts
        return counts.canary_exposures if arm == "canary" else counts.stable_exposures


def count_recent(looks: Sequence[Observed], guardrail: str) -> RecentUnits | None:
    """Return what one guardrail counted in these looks, oldest first; None where that is unknown.

    The first look only says when the others began.
    """
    try:
        if all(guardrail in look.tallies for look in looks):
            return _add_tallies(looks, guardrail)
        return _compare([series for look in looks for series in look.series.get(guardrail, ())])
    except (ArithmeticError, ValueError):  # layouts differ, or what is recorded are no counts
        return None


def _add_tallies(looks: Sequence[Observed], guardrail: str) -> RecentUnits | None:
    tallies = [look.tallies[guardrail] for look in looks]
    if len(tallies) < 2 or tallies[-1].until <= tallies[0].until:
        return None
    counts = Counts()
    for tally in tallies[1:]:
        counts += tally.counts
    return RecentUnits(counts, tallies[-1].until - tallies[0].until, tallies[-1].until)


def _compare(every: Iterable[Series]) -> RecentUnits | None:
    lines: dict[tuple[Arm, str], list[Series]] = {}
    for series in every:
        lines.setdefault((series.arm, series.key), []).append(series)
    counts, begin, end = Counts(), math.inf, -math.inf
    for (arm, _), group in lines.items():
        samples = [sample for series in group for sample in series.samples]
        if not samples:
            continue
        first, last = samples[0], samples[-1]
        rises = [int(after - before) for before, after in zip(first[1], last[1], strict=False)]
        newest = group[-1]
        if last[0] <= first[0] or min(rises, default=-1) < 0 or newest.schema is not None:
            continue
        units = buckets(rises) if newest.edges else tuple(rises)
        counts += _of_arm(arm, newest.kinds(units), newest.edges)
        begin, end = min(begin, first[0]), max(end, last[0])
    return RecentUnits(counts, end - begin, end) if end > begin else None


def _of_arm(arm: Arm, units: tuple[int, ...], edges: tuple[float, ...]) -> Counts:
    nothing = (0,) * len(units)
    return Counts(units, nothing, edges) if arm == "canary" else Counts(nothing, units, edges)
