"""Is the canary better, not only not worse? Superiority on the counts that the guardrails compared.

How it works: the bets of the excess bound are placed once more, at a margin of nothing: twelve that
the canary has fewer bad units than stable, and twelve that it has more. A histogram is asked at
each of the edges that its guardrail chose before it compared anything.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from analysis import family
from analysis.counting.beyond import count_beyond
from analysis.counting.counts import Counts, EvidenceError
from analysis.dispersion.dispersion import Dispersion
from analysis.histograms import histogram
from analysis.log_arrays import log_mean
from analysis.rates import excess_bound
from analysis.rates.rate import RateMargin
from analysis.verdict.histogram_test import HistogramTest
from analysis.verdict.rate_test import RateTest
from analysis.verdict.readout import Readout
from rollout.decide.text.experiment import condition_of
from rollout.errors import InputError
from rollout.experiment.tables.evidence import describe_share
from rollout.experiment.tables.retest import list_counts
from rollout.plan.model.guardrail import Guardrail
from rollout.review.history import RecordedRollout

_ROUNDS = 40
_FARTHEST = 64.0  # ratio
_MEASURED = (
    *("canary_share", "stable_share", "difference", "low", "high", "at_most"),
    *("better", "worse", "better_of_all", "worse_of_all"),
)
BETTER, WORSE, OPEN = "better", "worse", "undecided"

Array = NDArray[np.float64]


@dataclass(frozen=True)
class UpliftRow:
    """One comparison: the canary's share of bad units against stable's, with no margin.

    `low` and `high` bound the difference at all looks at once, each side with half of `level`;
    `at_most` bounds it from above with all of it. `change` is the ratio of the shares less 1, with
    its own bounds (None: without one). `better` and `worse` are evidence as log10, `needed` what a
    conclusion at `level` takes; `better_of_all` and `worse_of_all` are corrected for all rows
    (e-Holm), and so is the `conclusion`; `note` says under what it holds, or what is not enough:
    then the numbers are not a number.
    """

    guardrail: str
    what: str
    canary_units: int
    stable_units: int
    canary_share: float
    stable_share: float
    difference: float
    low: float
    high: float
    at_most: float
    change: float | None
    change_low: float | None
    change_high: float | None
    better: float
    worse: float
    better_of_all: float
    worse_of_all: float
    needed: float
    level: float
    conclusion: str
    note: str = ""


@dataclass(frozen=True)
class _Looks:
    """The compared looks of one question: counts as arrays (looks, 1, 1), and each look's weight.

    Weights and divisor are those by which the guardrail's own test tempers its evidence.
    """

    e_c: Array
    e_s: Array
    x_c: Array
    x_s: Array
    weights: Array
    divisor: float

    def sum_bets(self, ratio: float = 1.0) -> Array:
        """Return the log-capital of all bets at a ratio of the shares: (2, 12)."""
        gain = excess_bound.gain(self.e_c, self.e_s, self.x_c, self.x_s, ratio)
        bets: Array = (self.weights * gain).sum(axis=0) / self.divisor
        return bets

    def log_better(self, ratio: float = 1.0) -> float:
        """Return the log of the evidence that p_canary < ratio * p_stable."""
        return float(log_mean(self.sum_bets(ratio)[0], excess_bound.WEIGHTS))

    def log_worse(self, ratio: float = 1.0) -> float:
        """Return the log of the evidence that p_canary > ratio * p_stable."""
        return float(log_mean(self.sum_bets(ratio)[1], excess_bound.WEIGHTS))

    @property
    def units(self) -> float:
        """The canary's units, each times its look's weight, on the scale of the bets."""
        return float((self.weights * self.e_c).sum()) / self.divisor


def uplift(record: RecordedRollout, level: float) -> Iterator[UpliftRow]:
    """Yield one comparison for each rate, and for each chosen edge of a histogram.

    The chance that any row ever concludes wrongly is at most `level`, with the same exceptions as
    for the guardrails' own tests (requests that are not independent, where nothing is learnt).
    """
    check_level(level)
    questions = [
        (guardrail, what, looks)
        for guardrail in record.state.plan.spec.guardrails
        for what, looks in _list_questions(record, guardrail)
    ]
    rows = [_build_row(own.name, what, looks, level) for own, what, looks in questions]
    corrected = [*correct(rows, level)]
    for guardrail in record.state.plan.spec.guardrails:
        own = [row for row in corrected if row.guardrail == guardrail.name]
        for row in own:
            yield replace(row, note=condition_of(record.state, row.guardrail, row.conclusion))
        test = record.state.guardrails[guardrail.name].test
        if not own and isinstance(test, RateTest | HistogramTest):
            yield _build_lack(guardrail, test.dispersion, level)


def check_level(level: float) -> None:
    """Raise InputError for a level that is no chance."""
    if not isinstance(level, int | float) or not 0 < level < 1:
        raise InputError(f"a level is a chance above 0 and below 1, not {level!r}")


def correct(rows: Sequence[UpliftRow], level: float) -> Iterator[UpliftRow]:
    """Yield comparisons with their evidence corrected for all of them, and what it concludes.

    Better or worse are two questions of one family, see `family.adjust`.
    """
    logs = [row.better for row in rows] + [row.worse for row in rows]
    adjusted = family.adjust([log * math.log(10) for log in logs])
    both = zip(adjusted[: len(rows)], adjusted[len(rows) :], strict=True)
    needed = -math.log(level)
    for row, (more, less) in zip(rows, both, strict=True):
        conclusion = BETTER if more >= needed else WORSE if less >= needed else OPEN
        yield replace(
            row,
            better_of_all=more / math.log(10),
            worse_of_all=less / math.log(10),
            conclusion=conclusion,
        )


def compare(
    guardrail: Guardrail,
    counts: Sequence[Counts],
    edge: float | None,
    dispersion: Dispersion | None,
    level: float,
) -> UpliftRow | None:
    """Return one comparison, alone; None where no look compared both versions."""
    own = counts if edge is None else [*_list_beyond(counts, edge, guardrail)]
    looks = _weigh(own, dispersion)
    what = describe_bad(guardrail, edge)
    return None if looks is None else _build_row(guardrail.name, what, looks, level)


def describe_bad(guardrail: Guardrail, edge: float | None) -> str:
    """Say what is bad: failed units, or those beyond an edge."""
    return describe_share(Readout() if edge is None else Readout(edge=edge), guardrail.metric)


def _list_questions(record: RecordedRollout, guardrail: Guardrail) -> Iterator[tuple[str, _Looks]]:
    test = record.state.guardrails[guardrail.name].test
    counts = list_counts(record, guardrail.name)
    if isinstance(test, RateTest):
        looks = _weigh(counts, test.dispersion)
        if looks is not None:
            yield describe_share(Readout(), guardrail.metric), looks
    elif isinstance(test, HistogramTest):
        for index in range(len(test.capital.contrasts)):
            pair = test.capital.chosen[index]
            edge = histogram.edge(test.tolerance, test.capital, pair.edge)
            looks = _weigh([*_list_beyond(counts, edge, guardrail)], test.dispersion)
            if looks is not None:
                yield describe_share(Readout(edge=edge), guardrail.metric), looks


def _list_beyond(counts: Sequence[Counts], edge: float, guardrail: Guardrail) -> Iterator[Counts]:
    """Yield the counts beyond an edge; a look whose buckets lack it is left out."""
    metric = guardrail.metric
    for own in counts:
        try:
            yield count_beyond(own, edge, metric.worse, metric.spell)
        except EvidenceError:
            continue


def _weigh(counts: Sequence[Counts], dispersion: Dispersion | None) -> _Looks | None:
    """Return the looks with the weights of the rate's own test; None without a look of both."""
    looks = [c for c in counts if c.canary_exposures and c.stable_exposures]
    if not looks or (dispersion is not None and dispersion.problem):
        return None
    test = RateTest(RateMargin(1.0, 0.0, dispersion))
    weights, before = [], 0.0
    for own in looks:
        test = test.update(own)
        weights.append((test.capital.contrast.n_c - before) / own.canary_exposures)
        before = test.capital.contrast.n_c
    return _Looks(
        e_c=_stack(own.canary_exposures for own in looks),
        e_s=_stack(own.stable_exposures for own in looks),
        x_c=_stack(own.canary_bad + own.canary_unlabelled for own in looks),
        x_s=_stack(own.stable_bad for own in looks),
        weights=_stack(weights),
        divisor=test.capital.contrast.log_divisor,
    )


def _stack(column: Iterable[float]) -> Array:
    """Return one number for each look as an array that bets broadcast against: (looks, 1, 1)."""
    return np.array([*column], dtype=np.float64)[:, None, None]


def _build_row(name: str, what: str, looks: _Looks, level: float) -> UpliftRow:
    bets, units = looks.sum_bets(), looks.units
    few, many = bets
    e_c, e_s = looks.e_c.sum(), looks.e_s.sum()
    x_c = looks.x_c.sum()
    excess = (looks.weights * (looks.x_c - looks.x_s * looks.e_c / looks.e_s)).sum()
    difference = float(excess / (looks.weights * looks.e_c).sum())
    reference = float(x_c / e_c) - difference
    low = float(excess_bound.excess_floor(many, level / 2)) / units
    high = float(excess_bound.excess_bound(few, level / 2)) / units
    enough = -math.log(level / 2)
    lowest = _find_ratio(lambda ratio: looks.log_worse(1 / ratio) >= enough)
    highest = _find_ratio(lambda ratio: looks.log_better(ratio) >= enough)
    return UpliftRow(
        guardrail=name,
        what=what,
        canary_units=int(e_c),
        stable_units=int(e_s),
        canary_share=float(x_c / e_c),
        stable_share=float(looks.x_s.sum() / e_s),
        difference=difference,
        low=_clip(low),
        high=_clip(high),
        at_most=_clip(float(excess_bound.excess_bound(few, level)) / units),
        change=difference / reference if reference > 0 else None,
        change_low=-1.0 if lowest is None else 1 / lowest - 1,
        change_high=None if highest is None else highest - 1,
        better=looks.log_better() / math.log(10),
        worse=looks.log_worse() / math.log(10),
        better_of_all=0.0,
        worse_of_all=0.0,
        needed=-math.log10(level),
        level=level,
        conclusion=OPEN,
    )


def _build_lack(guardrail: Guardrail, dispersion: Dispersion | None, level: float) -> UpliftRow:
    """Return the row of a guardrail that was never compared: its numbers are unknown."""
    why = (dispersion.problem if dispersion else "") or "no look compared both versions"
    numbers = dict.fromkeys(_MEASURED, math.nan)
    return UpliftRow(
        guardrail=guardrail.name,
        what=describe_bad(guardrail, None),
        canary_units=0,
        stable_units=0,
        **numbers,
        change=None,
        change_low=None,
        change_high=None,
        needed=-math.log10(level),
        level=level,
        conclusion=OPEN,
        note=f"not enough: {why}",
    )


def _clip(difference: float) -> float:
    return max(-1.0, min(1.0, difference))


def _find_ratio(holds: Callable[[float], bool]) -> float | None:
    """Find the ratio from which on something holds; None where it holds nowhere."""
    low, high = 1 / _FARTHEST, _FARTHEST
    if not holds(high):
        return None
    for _ in range(_ROUNDS):
        middle = math.sqrt(low * high)
        low, high = (low, middle) if holds(middle) else (middle, high)
    return high
