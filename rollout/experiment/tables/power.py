"""What could have been found: the least harm by now and by the deadline, and the proof of a twin.

How it works: the guardrail's own test is fed the recorded looks once more, with the counts that
are expected of a canary that is so much worse, or equal. What it then shows is about what it shows
in half of all rollouts. Of pairs the test's boundary says it: see `sign_test.find_least_share`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analysis.counting.beyond import oriented
from analysis.counting.counts import Counts
from analysis.histograms.alternatives import HistogramTolerance
from analysis.histograms.bucket_test import boundaries, shift_matrix
from analysis.rates.sign_test import find_even_weight, find_least_share
from analysis.verdict.pairs_test import EVEN, PairsTest
from analysis.verdict.sequential_test import SequentialTest
from rollout.experiment.tables.retest import find_fresh_tests, list_compared, list_counts
from rollout.experiment.tables.scorecard import find_last_view
from rollout.plan.fields.units import percent
from rollout.plan.model.guardrail import Guardrail
from rollout.review.history import RecordedRollout

_BLOCKS = 24  # looks are added up to so many
_ROUNDS = 24
_FARTHEST = 64.0  # multiples of a tolerance, or of the looks that there are
_NOT_ENOUGH = "not enough: no look has compared both versions"

Shares = NDArray[np.float64]


@dataclass(frozen=True)
class PowerRow:
    """What a guardrail's test finds in half of all rollouts, with so many of the canary's units.

    `by` is now or the deadline. `least_share` is the smallest share of bad units that is found to
    be harmful, `least_times` the same as a multiple of stable's, or of a histogram's tolerance;
    None where nothing is found. `twin_units` is what a canary like stable needs to be proven safe.
    Units of pairs are decided pairs, bad ones those that are lost: half where no version is better.
    """

    guardrail: str
    by: str
    canary_units: int
    stable_share: float | None
    least_share: float | None
    least_times: float | None
    twin_units: float | None
    words: str


@dataclass(frozen=True)
class _Past:
    """A guardrail's test before it compared anything, and what it compared, in a few blocks.

    `shares` are stable's: of good and bad units, or of buckets. `needed` are the logs of the
    evidence of harm and of safety that decide.
    """

    test: SequentialTest
    blocks: Sequence[tuple[int, int]]  # units of the canary and of stable
    shares: Shares
    edges: tuple[float, ...]
    needed: tuple[float, float]

    @property
    def canary_units(self) -> int:
        return sum(canary for canary, _ in self.blocks)

    def shows_harm(self, canary: Shares, factor: float) -> bool:
        """Return whether `factor` times the units find a canary with these shares harmful."""
        return self._run(canary, factor).logs.harm >= self.needed[0]

    def proves_twin(self, factor: float) -> bool:
        """Return whether a canary like stable is proven safe by `factor` times the units."""
        return self._run(self.shares, factor).logs.safe >= self.needed[1]

    def _run(self, canary: Shares, factor: float) -> SequentialTest:
        test, ended = self.test, np.zeros(2)
        for units in self.blocks:
            begun, ended = ended, ended + np.array(units) * factor
            # Rounded sums, so that nothing is lost in blocks of a few units.
            own, other = (
                tuple(map(int, np.rint(ended[arm] * shares) - np.rint(begun[arm] * shares)))
                for arm, shares in ((0, canary), (1, self.shares))
            )
            test = test.update(self._count(own, other))
        return test

    def _count(self, canary: tuple[int, ...], stable: tuple[int, ...]) -> Counts:
        if self.edges:
            return Counts(canary, stable, self.edges)
        return Counts((sum(canary), canary[1]), (sum(stable), stable[1]))


def power(record: RecordedRollout) -> Iterator[PowerRow]:
    """Yield for each guardrail what is found by now, and by the deadline."""
    last, tests = find_last_view(record), find_fresh_tests(record)
    left = max(last.state.due_at - last.clock, 0.0)
    for guardrail in record.state.plan.spec.guardrails:
        test = tests[guardrail.name]
        if not test.weighs_evidence:
            yield _say(guardrail.name, "nothing is weighed here, so there is no power")
            continue
        later = 1 + left / max(_find_span(record, guardrail.name), record.state.plan.spec.interval)
        if isinstance(test, PairsTest):
            yield from _yield_pairs(record, guardrail, test, later)
            continue
        past = _find_past(record, guardrail, test)
        if past is None:
            yield _say(guardrail.name, _NOT_ENOUGH)
            continue
        twin = _find_twin_units(past)
        for by, factor in (("now", 1.0), ("deadline", later)):
            yield _build_row(guardrail.name, past, by, factor, twin)


def _say(name: str, words: str) -> PowerRow:
    return PowerRow(name, "now", 0, None, None, None, None, words)


def _find_span(record: RecordedRollout, name: str) -> float:
    own = [units.seconds for units in list_compared(record) if units.guardrail == name]
    return own[-1] - own[0] if own else 0.0


def _find_past(record: RecordedRollout, guardrail: Guardrail, test: SequentialTest) -> _Past | None:
    own = list_counts(record, guardrail.name)
    edges = own[-1].edges if own else ()
    own = [counts for counts in own if counts.edges == edges]
    stable = np.array([counts.stable for counts in own], dtype=float).sum(axis=0) if own else None
    if stable is None or not stable.sum():
        return None
    if not edges:
        stable = np.array([stable[0] - stable[1], stable[1]])
        stable = np.maximum(stable, [0.0, 0.5])  # none was bad: half a unit stands for it
    groups = np.array_split(
        np.array([(c.canary_exposures, c.stable_exposures) for c in own]), min(_BLOCKS, len(own))
    )
    return _Past(
        test=test,
        blocks=[(int(group[:, 0].sum()), int(group[:, 1].sum())) for group in groups],
        shares=stable / stable.sum(),
        edges=edges,
        needed=(-math.log(_find_alpha(record, guardrail)), -math.log(record.beta)),
    )


def _find_alpha(record: RecordedRollout, guardrail: Guardrail) -> float:
    """Return a guardrail's own part of the plan's false rollbacks."""
    weights = sum(own.importance for own in record.state.plan.spec.guardrails)
    return record.alpha * guardrail.importance / weights


def _yield_pairs(
    record: RecordedRollout, guardrail: Guardrail, test: PairsTest, later: float
) -> Iterator[PowerRow]:
    """Yield what is found of pairs by now, and of `later` times as many by the deadline."""
    for counts in list_counts(record, guardrail.name):
        test = test.update(counts)
    pairs, weight, alpha = test.canary_units, test.signs.weight, _find_alpha(record, guardrail)
    if not weight:
        yield _say(guardrail.name, _NOT_ENOUGH)
        return
    needed = find_even_weight(test.margin, record.beta)
    twin = None if needed is None else pairs * needed / weight
    for by, times in (("now", 1.0), ("deadline", later)):
        least = find_least_share(EVEN + test.margin, weight * times, alpha)
        units = round(pairs * times)
        shows = (
            "show no harm in a canary that loses all of them"
            if least is None
            else f"show the harm of a canary that loses {percent(_short(least))} of them"
        )
        words = (
            f"{units:,} decided pairs {shows}, in half of all rollouts; a canary like stable needs "
            f"{_tell_twin(twin, 'pairs')} to be proven safe"
        )
        yield PowerRow(
            guardrail=guardrail.name,
            by=by,
            canary_units=units,
            stable_share=EVEN,
            least_share=least,
            least_times=None if least is None else least / EVEN,
            twin_units=twin,
            words=words,
        )


def _tell_twin(units: float | None, kind: str = "units") -> str:
    return f"more {kind} than can be said" if units is None else f"about {round(units):,} {kind}"


def _build_row(name: str, past: _Past, by: str, factor: float, twin: float | None) -> PowerRow:
    units = round(past.canary_units * factor)
    tolerance, share, least = past.test.tolerance, None, None
    if tolerance is not None:
        least = _bisect(
            lambda times: past.shows_harm(_move(past, tolerance, times), factor), 1.0, _FARTHEST
        )
        least_words = (
            "no shift of its values"
            if least is None
            else f"a shift of its values by {_short(least):g} times what is allowed"
        )
    else:
        share = float(past.shares[1])
        worst = _bisect(lambda own: past.shows_harm(np.array([1 - own, own]), factor), share, 1.0)
        least = None if worst is None else worst / share
        least_words = "no share" if worst is None else f"a share of {percent(_short(worst))}"
        least_words += f" of bad units beside stable's {percent(_short(share))}"
    words = (
        f"{units:,} units show {least_words} in half of all rollouts; a canary like stable needs "
        f"{_tell_twin(twin)} to be proven safe"
    )
    return PowerRow(
        guardrail=name,
        by=by,
        canary_units=units,
        stable_share=share,
        least_share=None if share is None or least is None else least * share,
        least_times=least,
        twin_units=twin,
        words=words,
    )


def _short(number: float) -> float:
    return float(f"{number:.2g}")


def _move(past: _Past, rule: HistogramTolerance, times: float) -> Shares:
    """Return stable's buckets moved towards worse by so many tolerances."""
    cuts = boundaries(past.edges, rule.worse, relative=rule.relative)
    moved = oriented(past.shares, rule.worse) @ shift_matrix(cuts, times * rule.step)
    return moved if rule.worse == "high" else moved[::-1]


def _find_twin_units(past: _Past) -> float | None:
    factor = _bisect(past.proves_twin, 1 / _FARTHEST, _FARTHEST)
    return None if factor is None else past.canary_units * factor


def _bisect(holds: Callable[[float], bool], low: float, high: float) -> float | None:
    """Find where something begins to hold; None where it does not hold at `high`."""
    if not holds(high):
        return None
    for _ in range(_ROUNDS):
        middle = math.sqrt(low * high)
        low, high = (low, middle) if holds(middle) else (middle, high)
    return high
