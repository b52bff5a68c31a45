"""A histogram's guard: H for harm, D at a few pairs of edges for safety, stable's past for both."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from operator import add
from typing import Any

from analysis.counting import native_histogram
from analysis.counting.counts import Counts
from analysis.counting.orientation import oriented
from analysis.dispersion import tempering
from analysis.fast_replace import replace
from analysis.histograms import alternatives, bucket_test
from analysis.histograms.alternatives import Alternatives, HistogramTolerance
from analysis.histograms.edges import ENOUGH, Pair, choose, pairs
from analysis.log_arrays import Array
from analysis.rates.risk_difference import Contrast, Units, compared_each, informed

EDGE = 0.41
"""Information on a probit shift that a unit has at one edge: f(z)^2 / p is never more."""

COARSE = (
    "the buckets are coarser than the tolerance: no edge in the tail has a partner within "
    "{tolerance}; use finer buckets or a wider tolerance"
)


@dataclass(frozen=True)
class ShapeCapital:
    """Log-capital of a histogram and stable's past. `problem`: why nothing can be proven.

    `information` is the precision of the arms' difference in probits, `calm` what divides all
    log-capital (`tempering.total`); 0 and 1 without dispersion. `bets` are H's alternatives, made
    from the first `made` units of the past.
    """

    edges: tuple[float, ...] = ()
    cuts: tuple[float, ...] = ()
    history: tuple[int, ...] = ()
    harm: tuple[float, ...] = ()
    chosen: tuple[Pair, ...] = ()
    contrasts: tuple[Contrast, ...] = ()
    e_c: int = 0
    e_s: int = 0
    problem: str = ""
    information: float = 0.0
    calm: float = 1.0
    made: int = 0
    bets: Alternatives | None = field(default=None, compare=False, repr=False)


def learn(rule: HistogramTolerance, capital: ShapeCapital, evidence: Counts) -> ShapeCapital:
    """Take in stable's buckets only; choose the edges once the past is long enough."""
    capital = _opened(rule, capital, evidence)
    if evidence.edges != capital.edges or not evidence.edges:
        return capital
    return _learned(rule, capital, evidence)


def look(rule: HistogramTolerance, capital: ShapeCapital, evidence: Counts) -> ShapeCapital:
    """A counted look: bet with what was known before it, then learn from it.

    Nothing is bet under a rule whose dispersion allows no valid test.
    """
    if rule.dispersion and rule.dispersion.problem:
        return learn(rule, replace(capital, problem=rule.dispersion.problem), evidence)
    capital = _opened(rule, capital, evidence) if capital.edges else capital
    if not evidence.edges or evidence.edges != capital.edges:
        return learn(rule, capital, evidence)
    e_c, e_s = evidence.canary_exposures, evidence.stable_exposures
    worth, at_edge, weighed = _weighed(rule, capital, e_c, e_s)
    units, calm = _beyond(rule, capital.chosen, evidence), weighed["calm"]
    bets = {
        "harm": _harm(rule, capital, evidence, worth),
        "contrasts": compared_each(capital.contrasts, units, worth=at_edge, calm=calm),
    }
    sums = {"e_c": capital.e_c + e_c, "e_s": capital.e_s + e_s}
    return _learned(rule, capital, evidence, **bets, **sums, **weighed)


def edge(rule: HistogramTolerance, capital: ShapeCapital, boundary: int) -> float:
    """A boundary in the order of badness, as the value on the histogram's own scale."""
    return capital.edges[boundary if rule.worse == "high" else len(capital.cuts) - 1 - boundary]


def _learned(
    rule: HistogramTolerance, capital: ShapeCapital, evidence: Counts, **counted: Any
) -> ShapeCapital:
    history = tuple(map(add, capital.history, evidence.stable))
    return _guarded(rule, _drawn(rule, replace(capital, history=history, **counted)))


def _opened(rule: HistogramTolerance, capital: ShapeCapital, evidence: Counts) -> ShapeCapital:
    """Take the bucket layout from the first evidence that has one; diagnose it, and any change."""
    if not evidence.edges or evidence.edges == capital.edges:
        return capital
    if capital.edges:
        finer = set(evidence.edges) < set(capital.edges)
        changed = replace(capital, problem="the bucket layout changed in mid-rollout")
        return _coarsened(rule, capital, evidence.edges) if finer else changed
    blank = replace(capital, edges=evidence.edges, history=(0,) * len(evidence.edges))
    try:
        cuts = bucket_test.boundaries(evidence.edges, rule.worse, relative=rule.relative)
    except ValueError as error:
        return replace(blank, problem=str(error))
    problem = "" if pairs(cuts, rule.step) else COARSE.format(tolerance=_words(rule))
    return replace(blank, cuts=cuts, problem=problem)


def _coarsened(
    rule: HistogramTolerance, capital: ShapeCapital, edges: tuple[float, ...]
) -> ShapeCapital:
    """With the past in fewer buckets, exactly. A proof goes on where its edges are still there.

    At edges chosen anew it begins anew: they are chosen, as the first ones, by stable's past alone.
    """
    proofs = dict(zip(_compared(rule, capital), capital.contrasts, strict=True))
    cuts = bucket_test.boundaries(edges, rule.worse, relative=rule.relative)
    history = native_histogram.merged(capital.history, capital.edges, edges)
    blank = replace(
        capital, edges=edges, cuts=cuts, history=history, chosen=(), contrasts=(), made=0
    )
    fewer = _guarded(rule, _drawn(rule, blank))
    pairs = zip(_compared(rule, fewer), fewer.contrasts, strict=True)
    return replace(fewer, contrasts=tuple(proofs.get(at, fresh) for at, fresh in pairs))


def _compared(rule: HistogramTolerance, capital: ShapeCapital) -> list[tuple[float, float]]:
    """The edges that are compared, as values."""
    return [
        (edge(rule, capital, pair.edge), edge(rule, capital, pair.partner))
        for pair in capital.chosen
    ]


def _weighed(
    rule: HistogramTolerance, capital: ShapeCapital, e_c: int, e_s: int
) -> tuple[float, float, dict[str, float]]:
    """What the look is worth to H and to D at an edge, and the information with it."""
    if rule.dispersion is None or e_c == 0 or e_s == 0:
        return 1.0, 1.0, {"information": capital.information, "calm": capital.calm}
    found, units, share = tempering.noise(rule.dispersion), e_c + e_s, e_c / (e_c + e_s)
    worth, at_edge = (
        1 / float(tempering.inflation(found, n, share)) for n in (units, EDGE * units)
    )
    information = capital.information + units * share * (1 - share) * worth
    calm = float(tempering.total(found, information))
    return worth, at_edge, {"information": information, "calm": calm}


def _harm(
    rule: HistogramTolerance, capital: ShapeCapital, evidence: Counts, worth: float
) -> tuple[float, ...]:
    """H's log-capital per alternative; nothing is bet before there are alternatives."""
    if capital.bets is None:
        return capital.harm
    arms = (oriented(counts, rule.worse) for counts in (evidence.canary, evidence.stable))
    gain = worth * alternatives.gain(capital.bets, *arms)
    return tuple(((capital.harm or 0.0) + gain).tolist())


def _drawn(rule: HistogramTolerance, capital: ShapeCapital) -> ShapeCapital:
    """With alternatives made anew, if the past has grown enough since."""
    units = sum(capital.history)
    if not capital.cuts or not alternatives.due(units, capital.made):
        return capital
    return replace(capital, made=units, bets=alternatives.make(rule, capital.cuts, capital.history))


def _guarded(rule: HistogramTolerance, capital: ShapeCapital) -> ShapeCapital:
    """With the edges chosen, once and as soon as the past is long enough."""
    if capital.chosen or capital.problem or sum(capital.history) < ENOUGH:
        return capital
    past = oriented(capital.history, rule.worse)
    chosen = choose(past, capital.cuts, rule.step)
    problem = "" if chosen else COARSE.format(tolerance=_words(rule))
    contrasts = tuple(_prepared(pair, past) for pair in chosen)
    return replace(capital, chosen=chosen, contrasts=contrasts, problem=problem)


def _prepared(pair: Pair, past: Array) -> Contrast:
    """A pair's contrast, with weights for a canary that is like stable's past."""
    total = past.sum() + 1.0
    share, reference = (past[i + 1 :].sum() + 0.5 for i in (pair.edge, pair.partner))
    return informed(share / total, reference / total)


def _beyond(rule: HistogramTolerance, chosen: Sequence[Pair], evidence: Counts) -> list[Units]:
    """What each pair compares."""
    order = 1 if rule.worse == "high" else -1
    upto_c, upto_s = (tuple(accumulate(x[::order])) for x in (evidence.canary, evidence.stable))
    x_c, x_s = ([upto[-1] - units for units in upto] for upto in (upto_c, upto_s))
    return [Units(upto_c[-1], upto_s[-1], x_c[p.edge], x_s[p.edge], x_s[p.partner]) for p in chosen]


def _words(rule: HistogramTolerance) -> str:
    return f"{rule.tolerance:.4g}" if not rule.relative else f"{rule.tolerance:.4%}"
