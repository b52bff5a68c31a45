"""Which segments' numbers are told: not those of few units, nor any that would give those away.

The segments of one label have no unit in common. Where they have all units but a few, the whole
minus the others is the only one that is left out. The smallest of the others is then left out too
(complementary suppression), as statistical offices do.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import groupby
from typing import Literal, NamedTuple

from rollout.decide.state.guardrail import GuardrailState
from rollout.decide.state.rollout import RolloutState
from rollout.plan.model.trial.segments import SegmentGuardrail

Suppression = Literal["few", "tells another"]
"""Why numbers are not told: few units, or a segment of few units could be computed from them."""


class ComparedUnits(NamedTuple):
    """The units of both versions that were compared."""

    canary: int
    stable: int

    @property
    def fewer(self) -> int:
        """The units of the version that has fewer of them."""
        return min(self)

    def minus(self, others: Collection[ComparedUnits]) -> ComparedUnits:
        """Return the units that are left without others; none below zero."""
        canary, stable = (sum(own) for own in zip(*others, strict=True))
        return ComparedUnits(max(self.canary - canary, 0), max(self.stable - stable, 0))


def find_suppressed(state: RolloutState) -> Mapping[str, Suppression]:
    """Return by name the segments' guardrails whose numbers no view may have, and why."""
    if not state.segments:
        return {}
    groups = groupby(state.plan.spec.segment_guardrails, key=lambda own: (own.label, own.of))
    suppressed: dict[str, Suppression] = {}
    for (_, of), segments in groups:
        whole = state.guardrails.get(of)
        if whole is not None:
            units = [(own, _count(state.segments[own.name])) for own in segments]
            suppressed |= _suppress(units, _count(whole))
    return suppressed


def _suppress(
    units: Sequence[tuple[SegmentGuardrail, ComparedUnits]], whole: ComparedUnits
) -> Iterator[tuple[str, Suppression]]:
    """Yield the segments of one label and one guardrail that are not told."""
    few = [(own, counted) for own, counted in units if counted.fewer < own.at_least]
    for own, _ in few:
        yield own.name, "few"
    others = [(own, counted) for own, counted in units if counted.fewer >= own.at_least]
    hides_one = sum(any(counted) for _, counted in few) <= 1  # no units add nothing to one's
    if few and others and hides_one:
        rest = whole.minus([counted for _, counted in units])  # units that no declared value has
        if rest.fewer < few[0][0].at_least:
            smallest, _ = min(others, key=lambda pair: pair[1].fewer)
            yield smallest.name, "tells another"


def _count(own: GuardrailState) -> ComparedUnits:
    """Return the units of a guardrail's test, or of its goal where that has fewer."""
    counts = [ComparedUnits(own.test.canary_units, own.test.stable_units)]
    if own.goal is not None:
        counts.append(ComparedUnits(own.goal.contrast.e_c, own.goal.contrast.e_s))
    return min(counts, key=lambda counted: counted.fewer)
