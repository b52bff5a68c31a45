"""One metric's evidence over a rollout: folded look by look, asked at any time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from analysis.counting.counts import Counts
from analysis.histograms import bucket_test, histogram
from analysis.histograms.alternatives import HistogramTolerance
from analysis.histograms.histogram import ShapeCapital
from analysis.rates import rate, ratio_test
from analysis.rates import risk_difference as contrasts
from analysis.rates.rate import RateCapital, RateMargin

Rule = RateMargin | HistogramTolerance
Capital = RateCapital | ShapeCapital

__all__ = [
    "Capital",
    "HistogramTolerance",
    "Logs",
    "RateMargin",
    "Rule",
    "excess_rate",
    "learn",
    "log_crash",
    "log_harm",
    "log_safe",
    "logs",
    "look",
    "problem",
    "start",
    "watch",
]  # fmt: skip


def start(rule: Rule) -> Capital:
    """Capital before any look."""
    problem = rule.dispersion.problem if rule.dispersion else ""
    return (
        RateCapital(problem=problem)
        if isinstance(rule, RateMargin)
        else ShapeCapital(problem=problem)
    )


def learn(rule: Rule, capital: Capital, evidence: Counts) -> Capital:
    """Before the canary's traffic counts: only stable's past is taken in.

    Raises:
        TypeError: rule and capital are of different kinds.
    """
    if isinstance(rule, RateMargin) and isinstance(capital, RateCapital):
        return rate.learn(capital, evidence)
    if isinstance(rule, HistogramTolerance) and isinstance(capital, ShapeCapital):
        return histogram.learn(rule, capital, evidence)
    raise TypeError("rule and capital are of different kinds")


def watch(rule: Rule, capital: Capital, evidence: Counts) -> Capital:
    """A warm-up look: shapes learn stable's past, rates are watched for a crash.

    Raises:
        TypeError: rule and capital are of different kinds.
        EvidenceError: a histogram's evidence for a rate.
    """
    if isinstance(rule, RateMargin) and isinstance(capital, RateCapital):
        return rate.watch(rule, capital, evidence)
    return learn(rule, capital, evidence)


def look(rule: Rule, capital: Capital, evidence: Counts) -> Capital:
    """A counted look: harm and safety bet with what was known before it, then the past grows.

    Raises:
        TypeError: rule and capital are of different kinds.
        EvidenceError: a histogram's evidence for a rate.
    """
    if isinstance(rule, RateMargin) and isinstance(capital, RateCapital):
        return rate.look(rule, capital, evidence)
    if isinstance(rule, HistogramTolerance) and isinstance(capital, ShapeCapital):
        return histogram.look(rule, capital, evidence)
    raise TypeError("rule and capital are of different kinds")


def log_harm(rule: Rule, capital: Capital) -> float:
    """Log of the e-process against "within the margin"; 0 before any look.

    `rate.log_harm` or, of a shape, `bucket_test.log_harm`.
    """
    if isinstance(rule, RateMargin) and isinstance(capital, RateCapital):
        return rate.log_harm(rule, capital)
    if isinstance(capital, ShapeCapital) and capital.harm:
        return float(bucket_test.log_harm(np.asarray(capital.harm) / capital.calm))
    return 0.0


def log_crash(rule: Rule, capital: Capital) -> float:  # noqa: ARG001  # one signature for all questions
    """Log of the crash watch's e-process, a `ratio_test.log_harm`; 0 for shapes."""
    return float(ratio_test.log_harm(capital.crash)) if isinstance(capital, RateCapital) else 0.0


def log_safe(rule: Rule, capital: Capital) -> float:
    """Log evidence against "worse than the margin allows"; safe at log(1/beta).

    `risk_difference.log_safe`; a shape needs every edge, so its smallest counts
    (intersection-union, see `verdict.judge`); -inf while its edges are not chosen.
    """
    if isinstance(rule, RateMargin) and isinstance(capital, RateCapital):
        return contrasts.log_safe(capital.contrast, rule.absolute)
    if isinstance(capital, ShapeCapital) and capital.contrasts:
        return min(contrasts.each_safe(capital.contrasts))
    return float("-inf")


@dataclass(frozen=True)
class Logs:
    """What a capital amounts to: its logs of harm, safety and crash, as the functions above say."""

    harm: float
    safe: float
    crash: float


def logs(rule: Rule, capital: Capital) -> Logs:
    """All three; they change with the capital alone, so that who asks often may keep them."""
    if isinstance(rule, RateMargin) and isinstance(capital, RateCapital):
        harm, crash = rate.logs(rule, capital)
        return Logs(harm, log_safe(rule, capital), crash)
    return Logs(log_harm(rule, capital), log_safe(rule, capital), log_crash(rule, capital))


def excess_rate(rule: Rule, capital: Capital, alpha: float) -> float:  # noqa: ARG001  # as above
    """Worst credible excess of bad units per canary request, 0 to 1; 1 without data.

    The excess is over ratio * p_stable, from D's upper bound U at level alpha: U / N_c. Rates only:
    `risk_difference.excess_rate`. Raises TypeError for a shape.
    """
    if isinstance(capital, RateCapital):
        return contrasts.excess_rate(capital.contrast, alpha)
    raise TypeError("a histogram has no excess rate")


def problem(capital: Capital) -> str:
    """Why this metric can never be proven safe, in words; empty if it can."""
    return capital.problem
