"""Pairs that a judge compared: who won, in which order, and how much the first place is preferred.

The numbers over both orders are the controller's own; see `sign_test` for why a preference for a
place does not enter them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from analysis.counting.counts import Counts
from analysis.rates.sign_test import PairCounts, SignTest
from analysis.verdict.pairs_test import PairsTest, count_decided
from rollout.experiment.tables.quality.newest_judge import leave_out_others
from rollout.experiment.tables.rates import find_wilson
from rollout.plan.model.guardrail import Guardrail
from rollout.review.history import RecordedRollout

BOTH = "both orders"


@dataclass(frozen=True)
class PairsRow:
    """Pairs in one order, `first` being who was read first, or in both.

    `other` have a winner or an order that is none of the known ones. `share` is the canary's share
    of decided pairs: over both orders alike it is adjusted for how often each was dealt, and `low`
    and `high` bound it at all looks at once with `level`; of one order they are a 95 % interval by
    itself (Wilson). `first_won` is the share that the first place won, over both orders alike: a
    half where the judge prefers none. `allowed` is the least share that the plan accepts. `note`
    says what is not enough.
    """

    guardrail: str
    first: str
    pairs: int
    won: int
    lost: int
    tied: int
    other: int
    share: float | None
    low: float | None
    high: float | None
    allowed: float
    first_won: float | None
    first_low: float | None
    first_high: float | None
    level: float
    note: str


def pairs(record: RecordedRollout) -> Iterator[PairsRow]:
    """Yield each guardrail of pairs: both orders together, then each by itself."""
    for guardrail in record.state.plan.spec.guardrails:
        test = record.state.guardrails[guardrail.name].test
        if guardrail.metric.pairs is not None and isinstance(test, PairsTest):
            yield from _list_rows(record, guardrail, test)


def _list_rows(
    record: RecordedRollout, guardrail: Guardrail, test: PairsTest
) -> Iterator[PairsRow]:
    looks = [
        units.counts
        for units in leave_out_others(record, record.units)
        if units.guardrail == guardrail.name and units.use != "learn"
    ]
    level = record.state.plan.spec.false_winner
    signs, preference = test.signs, _prefer(looks)
    low, high = signs.bound(level / 2, level / 2)
    first_low, first_high = preference.bound(level / 2, level / 2)
    share, counts = signs.lost_share, signs.counts
    total = sum(looks, Counts())
    orders = (_Order.of_canary(total, counts), _Order.of_stable(total, counts))
    allowed = 0.5 - test.margin
    yield PairsRow(
        guardrail=guardrail.name,
        first=BOTH,
        pairs=sum(order.pairs for order in orders),
        won=counts.decided - counts.lost,
        lost=counts.lost,
        tied=sum(order.tied for order in orders),
        other=sum(order.other for order in orders),
        share=None if share is None else 1 - share,
        low=None if share is None else 1 - high,
        high=None if share is None else 1 - low,
        allowed=allowed,
        first_won=preference.lost_share,
        first_low=None if share is None else first_low,
        first_high=None if share is None else first_high,
        level=level,
        note=_note(counts, share),
    )
    for order in orders:
        yield order.build_row(guardrail.name, allowed)


def _prefer(looks: Sequence[Counts]) -> SignTest:
    """Return the sign test of the place that is read second: it loses where the first one wins."""
    test = SignTest()
    for own in looks:
        decided = count_decided(own)
        won = decided.canary_first - decided.canary_first_lost
        flipped = PairCounts(
            decided.canary_first, won, decided.stable_first, decided.stable_first_lost
        )
        test = test.update(flipped)
    return test


def _note(counts: PairCounts, share: float | None) -> str:
    if not counts.decided:
        return "no decided pair was counted"
    if not counts.canary_first or not counts.stable_first:
        first = "canary" if counts.canary_first else "stable"
        return f"the {first} was always read first: nobody can tell who is better"
    return "" if share is not None else "too few pairs of one order to be compared"


@dataclass(frozen=True)
class _Order:
    """The pairs of one order, in which the canary lost so many of those that are decided."""

    first: str
    pairs: int
    decided: int
    lost: int
    tied: int
    other: int

    @classmethod
    def of_canary(cls, total: Counts, counts: PairCounts) -> _Order:
        decided, lost = counts.canary_first, counts.canary_first_lost
        tied, other = sum(total.canary_apart), total.canary_unlabelled
        return cls("canary", total.canary_exposures, decided, lost, tied, other)

    @classmethod
    def of_stable(cls, total: Counts, counts: PairCounts) -> _Order:
        decided, lost = counts.stable_first, counts.stable_first_lost
        tied, other = sum(total.stable_apart), total.stable_unlabelled
        return cls("stable", total.stable_exposures, decided, lost, tied, other)

    def build_row(self, guardrail: str, allowed: float) -> PairsRow:
        """Return the row of this order, which by itself says nothing of the versions."""
        won = self.decided - self.lost
        low, high = find_wilson(won, self.decided)
        return PairsRow(
            guardrail=guardrail,
            first=self.first,
            pairs=self.pairs,
            won=won,
            lost=self.lost,
            tied=self.tied,
            other=self.other,
            share=won / self.decided if self.decided else None,
            low=low,
            high=high,
            allowed=allowed,
            first_won=None,
            first_low=None,
            first_high=None,
            level=0.05,
            note="" if self.decided else "no decided pair in this order",
        )
