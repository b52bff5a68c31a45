"""The units that each look counted of each guardrail, and whether its test compared them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from analysis.counting.counts import Counts
from rollout.decide.evidence.look_use import Use, find_use
from rollout.decide.evidence.units import read_units
from rollout.decide.evidence.update import is_over
from rollout.decide.record.facts import Observed
from rollout.decide.state.rollout import RolloutState
from rollout.plan.model.guardrail import Guardrail
from rollout.ports import Entry
from rollout.review.elapsed import list_elapsed


@dataclass(frozen=True)
class LookUnits:
    """What one look counted of one guardrail, `at` a unix time, `seconds` after the start.

    `share` is the canary's confirmed share of traffic, `use` what the guardrail's test does with a
    look that began then. `is_compared` says that it did compare both versions: after the warm-up,
    with units of both.
    """

    at: float
    seconds: float
    share: float
    guardrail: str
    counts: Counts
    use: Use
    is_compared: bool


def list_units(entries: Sequence[Entry], states: Sequence[RolloutState]) -> Iterator[LookUnits]:
    """Yield one rollout's counts by look and guardrail, from its entries and states after each."""
    return _count_looks(entries, states, states[0].plan.spec.guardrails)


def list_segment_units(
    entries: Sequence[Entry], states: Sequence[RolloutState]
) -> Iterator[LookUnits]:
    """Yield the same of the guardrails of single segments."""
    segments = states[0].plan.spec.segment_guardrails
    return _count_looks(entries, states, [segment.guardrail for segment in segments])


def _count_looks(
    entries: Sequence[Entry], states: Sequence[RolloutState], guardrails: Sequence[Guardrail]
) -> Iterator[LookUnits]:
    timed = zip(entries[1:], list_elapsed(entries, states)[1:], strict=True)
    for (before, after), (entry, seconds) in zip(pairwise(states), timed, strict=True):
        if isinstance(entry.fact, Observed) and not is_over(before):
            yield from _count(before, after, entry.fact, seconds, guardrails)


def _count(
    before: RolloutState,
    after: RolloutState,
    fact: Observed,
    seconds: float,
    guardrails: Sequence[Guardrail],
) -> Iterator[LookUnits]:
    for guardrail in guardrails:
        own, then = before.measured[guardrail.name], after.measured[guardrail.name]
        _, counts = read_units(own, fact, guardrail, before.started_at)
        has_begun_anew = then.judged_anew != own.judged_anew
        units_before = 0 if has_begun_anew else own.test.canary_units
        yield LookUnits(
            at=fact.at,
            seconds=seconds,
            share=before.split.served_share,
            guardrail=guardrail.name,
            counts=counts,
            use=find_use(before, fact, guardrail),
            is_compared=then.test.canary_units > units_before,
        )
