"""A histogram guardrail: the bucket test for harm, the excess bound at edges for safety.

How it works: stable's buckets accumulate in `history`. From 50 units on, the bucket test bets on
alternatives built from it, which are rebuilt whenever the history has grown by a tenth. From 200
units on, up to four pairs of edges are chosen, once; at each of them an excess bound compares the
canary's units beyond the edge with stable's beyond its better partner, and all must prove safety.
A look first bets on what precedes it and only then joins the history: bets that knew their own
look would not be valid.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from operator import add
from typing import Any

import numpy as np

from analysis.counting import native_histogram
from analysis.counting.beyond import oriented
from analysis.counting.counts import Counts
from analysis.dispersion import tempering
from analysis.fast_replace import replace
from analysis.histograms import alternatives, bucket_test
from analysis.histograms.alternatives import HistogramTolerance
from analysis.histograms.edges import ENOUGH, Pair, choose, pairs
from analysis.histograms.shape_capital import ShapeCapital
from analysis.log_arrays import Array
from analysis.rates.limit import limit_one
from analysis.rates.risk_difference import Contrast, Units, compared_each, each_safe, informed

EDGE = 0.41
"""Upper bound of a unit's information on a probit shift at one edge, f(z)^2 / p."""

COARSE = (
    "the buckets are coarser than the tolerance: no edge in the tail has a partner within "
    "{tolerance}; use finer buckets or a wider tolerance"
)


def learn(rule: HistogramTolerance, capital: ShapeCapital, evidence: Counts) -> ShapeCapital:
    """Add stable's buckets to the past; choose the edges once the past is long enough."""
    capital = _adopt_layout(rule, capital, evidence)
    if evidence.edges != capital.edges or not evidence.edges:
        return capital
    return _add_history(rule, capital, evidence)


def update(rule: HistogramTolerance, capital: ShapeCapital, evidence: Counts) -> ShapeCapital:
    """Run a counted look: bet on what precedes it, then add it to the past.

    Nothing is bet under a rule whose dispersion allows no valid test.
    """
    if rule.dispersion and rule.dispersion.problem:
        return learn(rule, replace(capital, problem=rule.dispersion.problem), evidence)
    capital = _adopt_layout(rule, capital, evidence) if capital.edges else capital
    if not evidence.edges or evidence.edges != capital.edges:
        return learn(rule, capital, evidence)
    e_c, e_s = evidence.canary_exposures, evidence.stable_exposures
    look_weight, at_edge, weighed = _weigh_look(rule, capital, e_c, e_s)
    units, log_divisor = _count_beyond(rule, capital.chosen, evidence), weighed["log_divisor"]
    # All bets use the edges, alternatives and weights of `capital`, as of before this look.
    bets = {
        **_bet_on_harm(rule, capital, evidence, look_weight),
        "contrasts": compared_each(
            capital.contrasts, units, look_weight=at_edge, log_divisor=log_divisor
        ),
    }
    sums = {"e_c": capital.e_c + e_c, "e_s": capital.e_s + e_s}
    return _add_history(rule, capital, evidence, **bets, **sums, **weighed)


def log_harm(capital: ShapeCapital) -> float:
    """Return the log of the e-process against "within the tolerance"; 0 before any bet.

    It is `bucket_test.log_harm`.
    """
    if not capital.harm:
        return 0.0
    return float(bucket_test.log_harm(np.asarray(capital.harm) / capital.log_divisor))


def log_rise(capital: ShapeCapital) -> float:
    """Return the log of the evidence of the rise under way, see `limit.log_rise`; 0 without one."""
    return float(bucket_test.log_harm(capital.rise)) if capital.rise else 0.0


def log_safe(capital: ShapeCapital) -> float:
    """Return log evidence against "worse than the tolerance"; safe at log(1/beta).

    It is `risk_difference.log_safe`. A histogram must be safe at every edge, so the smallest counts
    (intersection-union, see `verdict.judge`); -inf while its edges are not chosen.
    """
    return min(each_safe(capital.contrasts)) if capital.contrasts else float("-inf")


def edge(rule: HistogramTolerance, capital: ShapeCapital, boundary: int) -> float:
    """Convert a boundary in the order of badness to a value on the histogram's own scale."""
    return capital.edges[boundary if rule.worse == "high" else len(capital.cuts) - 1 - boundary]


def _add_history(
    rule: HistogramTolerance, capital: ShapeCapital, evidence: Counts, **counted: Any
) -> ShapeCapital:
    """Set the `counted` fields, add stable's buckets to the past, and renew what depends on it."""
    history = tuple(map(add, capital.history, evidence.stable))
    return _choose_edges(
        rule, _refresh_alternatives(rule, replace(capital, history=history, **counted))
    )


def _adopt_layout(
    rule: HistogramTolerance, capital: ShapeCapital, evidence: Counts
) -> ShapeCapital:
    """Adopt the bucket layout of the first counts that have one; diagnose it and later changes."""
    if not evidence.edges or evidence.edges == capital.edges:
        return capital
    if capital.edges:
        finer = set(evidence.edges) < set(capital.edges)
        changed = replace(capital, problem="the bucket layout changed in mid-rollout")
        return _coarsen(rule, capital, evidence.edges) if finer else changed
    blank = replace(capital, edges=evidence.edges, history=(0,) * len(evidence.edges))
    try:
        cuts = bucket_test.boundaries(evidence.edges, rule.worse, relative=rule.relative)
    except ValueError as error:
        return replace(blank, problem=str(error))
    problem = "" if pairs(cuts, rule.step) else COARSE.format(tolerance=_format_tolerance(rule))
    return replace(blank, cuts=cuts, problem=problem)


def _coarsen(
    rule: HistogramTolerance, capital: ShapeCapital, edges: tuple[float, ...]
) -> ShapeCapital:
    """Merge the past exactly into fewer buckets; a proof continues where its edges remain.

    At newly chosen edges the proof starts from zero. That is valid because the edges are chosen, as
    the first ones were, from stable's past alone.
    """
    proofs = dict(zip(_list_edges(rule, capital), capital.contrasts, strict=True))
    cuts = bucket_test.boundaries(edges, rule.worse, relative=rule.relative)
    history = native_histogram.merged(capital.history, capital.edges, edges)
    blank = replace(
        capital,
        edges=edges,
        cuts=cuts,
        history=history,
        chosen=(),
        contrasts=(),
        built_from_units=0,
    )
    fewer = _choose_edges(rule, _refresh_alternatives(rule, blank))
    pairs = zip(_list_edges(rule, fewer), fewer.contrasts, strict=True)
    return replace(fewer, contrasts=tuple(proofs.get(at, fresh) for at, fresh in pairs))


def _list_edges(rule: HistogramTolerance, capital: ShapeCapital) -> list[tuple[float, float]]:
    """List the compared edges as values, which identify them across bucket layouts."""
    return [
        (edge(rule, capital, pair.edge), edge(rule, capital, pair.partner))
        for pair in capital.chosen
    ]


def _weigh_look(
    rule: HistogramTolerance, capital: ShapeCapital, e_c: int, e_s: int
) -> tuple[float, float, dict[str, float]]:
    """Compute the look's weight in the bucket test and at an edge, and the new information."""
    if rule.dispersion is None or e_c == 0 or e_s == 0:
        return 1.0, 1.0, {"information": capital.information, "log_divisor": capital.log_divisor}
    noise, units, share = tempering.noise(rule.dispersion), e_c + e_s, e_c / (e_c + e_s)
    look_weight, at_edge = (
        1 / float(tempering.inflation(noise, n, share)) for n in (units, EDGE * units)
    )
    information = capital.information + units * share * (1 - share) * look_weight
    log_divisor = float(tempering.total(noise, information))
    return look_weight, at_edge, {"information": information, "log_divisor": log_divisor}


def _bet_on_harm(
    rule: HistogramTolerance, capital: ShapeCapital, evidence: Counts, look_weight: float
) -> dict[str, tuple[float, ...]]:
    """Add the bucket test's log-capital per alternative; nothing is bet without alternatives.

    A trouble such as the past's wins no more than `limit.limit` allows.
    """
    if capital.bets is None:
        return {}
    arms = (oriented(counts, rule.worse) for counts in (evidence.canary, evidence.stable))
    gain = look_weight * alternatives.gain(capital.bets, *arms)
    trouble = rule.dispersion.trouble if rule.dispersion else 0
    gain, rise, looks = limit_one(gain, capital.rise, capital.rise_looks, trouble)
    harm = tuple(((capital.harm or 0.0) + gain).tolist())
    return {"harm": harm, "rise": rise, "rise_looks": looks}


def _refresh_alternatives(rule: HistogramTolerance, capital: ShapeCapital) -> ShapeCapital:
    """Rebuild the alternatives if the past has grown enough since the last time."""
    units = sum(capital.history)
    if not capital.cuts or not alternatives.due(units, capital.built_from_units):
        return capital
    return replace(
        capital, built_from_units=units, bets=alternatives.make(rule, capital.cuts, capital.history)
    )


def _choose_edges(rule: HistogramTolerance, capital: ShapeCapital) -> ShapeCapital:
    """Choose the edges, once, as soon as the past is long enough."""
    if capital.chosen or capital.problem or sum(capital.history) < ENOUGH:
        return capital
    past = oriented(capital.history, rule.worse)
    chosen = choose(past, capital.cuts, rule.step)
    problem = "" if chosen else COARSE.format(tolerance=_format_tolerance(rule))
    contrasts = tuple(_prepare_contrast(pair, past) for pair in chosen)
    return replace(capital, chosen=chosen, contrasts=contrasts, problem=problem)


def _prepare_contrast(pair: Pair, past: Array) -> Contrast:
    """Create a pair's contrast, with weights for a canary that behaves like stable's past."""
    total = past.sum() + 1.0
    share, reference = (past[i + 1 :].sum() + 0.5 for i in (pair.edge, pair.partner))
    return informed(share / total, reference / total)


def _count_beyond(
    rule: HistogramTolerance, chosen: Sequence[Pair], evidence: Counts
) -> list[Units]:
    """Count the units that each pair compares."""
    order = 1 if rule.worse == "high" else -1
    upto_c, upto_s = (tuple(accumulate(x[::order])) for x in (evidence.canary, evidence.stable))
    x_c, x_s = ([upto[-1] - units for units in upto] for upto in (upto_c, upto_s))
    return [Units(upto_c[-1], upto_s[-1], x_c[p.edge], x_s[p.edge], x_s[p.partner]) for p in chosen]


def _format_tolerance(rule: HistogramTolerance) -> str:
    return f"{rule.tolerance:.4g}" if not rule.relative else f"{rule.tolerance:.4%}"
