"""An A/A test on the recorded looks: stable's units against others of stable's units."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from analysis.binomial import upper_bound
from analysis.counting.counts import Counts
from analysis.verdict.pairs_test import PairsTest, count_decided
from rollout.errors import InputError
from rollout.experiment.tables.retest import find_fresh_tests, judge_all, list_compared
from rollout.review.history import RecordedRollout
from rollout.review.units import LookUnits

_NOTE = (
    "requests are dealt out one by one, so this shows nothing of how pods or users differ: "
    "surefoot calibrate does"
)
_NOT_ENOUGH = "not enough: no look has compared both versions"


@dataclass(frozen=True)
class SameVersionRow:
    """How often the rollout's tests would have found harm between stable and itself.

    `bound` is a one-sided 95 % upper bound of the `share` of `runs` that were `rolled_back`
    (Clopper-Pearson); `declared` is the plan's falseRollback. Without a look that compared both
    versions there is no run, and no share.
    """

    runs: int
    looks: int
    rolled_back: int
    share: float | None
    bound: float | None
    declared: float
    note: str


def compare_same_version(record: RecordedRollout, runs: int, seed: int) -> SameVersionRow:
    """Deal out stable's units at random to two sides, `runs` times, and run the tests on them.

    In each look the first side gets as many of stable's units as the canary had, or half of them.
    Raises InputError for fewer than one run.
    """
    # A ratio of sums is no evidence, and what one unit added to its sum is not known.
    weighed = {name for name, test in find_fresh_tests(record).items() if test.weighs_evidence}
    compared = [units for units in list_compared(record) if units.guardrail in weighed]
    if not isinstance(runs, int) or runs < 1:
        raise InputError(f"an A/A test is run a whole number of times, once or more: not {runs!r}")
    if not compared:
        return SameVersionRow(0, 0, 0, None, None, record.alpha, _NOT_ENOUGH)
    dice = np.random.default_rng(seed)
    rolled_back = sum(_is_rolled_back(record, compared, dice) for _ in range(runs))
    return SameVersionRow(
        runs=runs,
        looks=len({units.at for units in compared}),
        rolled_back=rolled_back,
        share=rolled_back / runs,
        bound=upper_bound(rolled_back, runs),
        declared=record.alpha,
        note=_NOTE,
    )


def _is_rolled_back(
    record: RecordedRollout, compared: Sequence[LookUnits], dice: np.random.Generator
) -> bool:
    tests = find_fresh_tests(record)
    for look in _by_look(compared):
        for units in look:
            test = tests[units.guardrail]
            deal = _deal_pairs if isinstance(test, PairsTest) else _deal
            tests[units.guardrail] = test.update(deal(units.counts, dice))
        if judge_all(record, tests).harmful:
            return True
    return False


def _by_look(compared: Sequence[LookUnits]) -> Iterator[list[LookUnits]]:
    looks: dict[float, list[LookUnits]] = {}
    for units in compared:
        looks.setdefault(units.at, []).append(units)
    yield from looks.values()


def _deal(counts: Counts, dice: np.random.Generator) -> Counts:
    """Return counts of which both sides come from stable."""
    if counts.edges:
        first = _draw(counts.stable, counts.canary_exposures, dice)
        rest = tuple(total - own for total, own in zip(counts.stable, first, strict=True))
        return replace(counts, canary=first, stable=rest)
    units, bad = counts.stable
    good_own, bad_own = _draw((units - bad, bad), counts.canary_exposures, dice)
    own = good_own + bad_own
    return replace(
        counts,
        canary=(own, bad_own),
        stable=(units - own, bad - bad_own),
        canary_unlabelled=0,
        stable_unlabelled=0,
    )


def _deal_pairs(counts: Counts, dice: np.random.Generator) -> Counts:
    """Return pairs of both orders that are dealt out anew: who is which version is by lot.

    What is read first wins as often as it did, in both orders alike: a place may be preferred.
    """
    decided = count_decided(counts)
    first, second = decided.canary_first, decided.stable_first
    lost_by_first = decided.canary_first_lost + second - decided.stable_first_lost
    pile = (first + second - lost_by_first, lost_by_first)
    own = int(dice.multivariate_hypergeometric(pile, first)[1])
    return Counts((first, own), (second, lost_by_first - own))


def _draw(pile: Sequence[int], wanted: int, dice: np.random.Generator) -> tuple[int, ...]:
    """Draw units without putting any back: at most half of the pile."""
    number = min(wanted, math.floor(sum(pile) / 2))
    return tuple(map(int, dice.multivariate_hypergeometric(pile, number)))
