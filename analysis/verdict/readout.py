"""A metric's numbers for display: counts, estimate and interval against the margin."""

from __future__ import annotations

import math
from dataclasses import dataclass

from analysis.fast_replace import replace
from analysis.histograms import histogram
from analysis.histograms.alternatives import HistogramTolerance
from analysis.histograms.histogram import ShapeCapital
from analysis.rates import risk_difference as contrasts
from analysis.rates.rate import RateCapital, RateMargin
from analysis.rates.risk_difference import Contrast
from analysis.verdict import guardrail
from analysis.verdict.guardrail import Capital, Rule


@dataclass(frozen=True)
class Readout:
    """One metric in numbers, ready for JSON: no NaN, no infinity, None where unknown.

    Counts are of counted looks with exposures on both arms. For a histogram, bad units are those
    beyond `edge`, the edge that is furthest from its proof. `estimate` is the difference of bad
    shares, canary minus stable, averaged over the canary's exposures. `low` (level 1 - alpha) and
    `high` (1 - beta) hold at any time. `allowed` is the margin on the same scale: a metric is safe
    when high < allowed. `mantel_haenszel` averages by both arms' exposures, one stratum per look,
    which has the smallest variance. `harm` and `safe` are shares of the log evidence needed; 1
    decides.
    """

    canary: int = 0
    stable: int = 0
    canary_bad: int = 0
    stable_bad: int = 0
    estimate: float | None = None
    mantel_haenszel: float | None = None
    low: float | None = None
    high: float | None = None
    allowed: float | None = None
    harm: float = 0.0
    safe: float | None = None
    edge: float | None = None
    partner: float | None = None
    words: str = ""


def read(rule: Rule, capital: Capital, log_harm: float, alpha: float, beta: float) -> Readout:
    """Compute a metric's readout; `log_harm` is the log of its weighted e-process.

    Raises:
        TypeError: rule and capital are of different kinds.
    """
    log_safe = guardrail.log_safe(rule, capital)
    plain = Readout(
        harm=harm_share(log_harm, alpha),
        safe=proof_share(log_safe, beta),
    )
    if isinstance(rule, RateMargin) and isinstance(capital, RateCapital):
        plain = replace(plain, words="share of bad units")
        return _fill_in(plain, capital.contrast, rule.absolute, alpha, beta)
    if isinstance(rule, HistogramTolerance) and isinstance(capital, ShapeCapital):
        plain = replace(plain, canary=capital.e_c, stable=capital.e_s)
        return _read_weakest_edge(plain, rule, capital, alpha, beta)
    raise TypeError("rule and capital are of different kinds")


def harm_share(log_harm: float, alpha: float) -> float:
    """Compute the share of the log evidence of harm that alpha requires; 1 decides."""
    return max(0.0, log_harm / -math.log(alpha))


def proof_share(log_safe: float, beta: float) -> float | None:
    """Compute the share of the log evidence of safety that beta requires; None if impossible."""
    return max(0.0, log_safe / -math.log(beta)) if math.isfinite(log_safe) else None


def at_edges(
    rule: HistogramTolerance, capital: ShapeCapital, alpha: float, beta: float
) -> list[Readout]:
    """Compute a histogram's readout at each edge; `safe` is that edge's proof, `harm` is unset."""
    proofs = (max(0.0, contrasts.log_safe(c) / -math.log(beta)) for c in capital.contrasts)
    plain = [Readout(canary=capital.e_c, stable=capital.e_s, safe=proof) for proof in proofs]
    return [_read_edge(p, rule, capital, i, alpha=alpha, beta=beta) for i, p in enumerate(plain)]


def _read_weakest_edge(
    plain: Readout, rule: HistogramTolerance, capital: ShapeCapital, alpha: float, beta: float
) -> Readout:
    """Fill in the edge with the least evidence: safety must hold at all, so this one decides."""
    if not capital.contrasts:
        return replace(plain, words="no edge chosen yet")
    proofs = contrasts.each_safe(capital.contrasts)
    return _read_edge(plain, rule, capital, proofs.index(min(proofs)), alpha=alpha, beta=beta)


def _read_edge(
    plain: Readout,
    rule: HistogramTolerance,
    capital: ShapeCapital,
    which: int,
    *,
    alpha: float,
    beta: float,
) -> Readout:
    pair = capital.chosen[which]
    edge, partner = (histogram.edge(rule, capital, i) for i in (pair.edge, pair.partner))
    side = "above" if rule.worse == "high" else "at or below"
    named = replace(plain, edge=edge, partner=partner, words=f"share {side} {edge:g}")
    return _fill_in(named, capital.contrasts[which], 0.0, alpha, beta)


def _fill_in(
    plain: Readout, contrast: Contrast, absolute: float, alpha: float, beta: float
) -> Readout:
    if contrast.e_c == 0:
        return plain
    low, high = contrasts.interval(contrast, alpha, beta)
    return replace(
        plain,
        canary=contrast.e_c,
        stable=contrast.e_s,
        canary_bad=contrast.x_c,
        stable_bad=contrast.x_s,
        estimate=contrast.difference,
        mantel_haenszel=contrast.stratified,
        low=low,
        high=high,
        allowed=contrasts.allowed(contrast, absolute),
    )
