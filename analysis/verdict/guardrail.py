"""One metric's evidence over a rollout: updated look by look, readable at any time.

Every function dispatches on the kind of rule: `rate` for margins of a rate, `histogram` for a
histogram's tolerance.
"""

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
    """Create the capital before any look."""
    problem = rule.dispersion.problem if rule.dispersion else ""
    return (
        RateCapital(problem=problem)
        if isinstance(rule, RateMargin)
        else ShapeCapital(problem=problem)
    )


def learn(rule: Rule, capital: Capital, evidence: Counts) -> Capital:
    """Add only stable's counts to the past, before the canary's traffic counts.

    Raises:
        TypeError: rule and capital are of different kinds.
    """
    if isinstance(rule, RateMargin) and isinstance(capital, RateCapital):
        return rate.learn(capital, evidence)
    if isinstance(rule, HistogramTolerance) and isinstance(capital, ShapeCapital):
        return histogram.learn(rule, capital, evidence)
    raise TypeError("rule and capital are of different kinds")


def watch(rule: Rule, capital: Capital, evidence: Counts) -> Capital:
    """Run a warm-up look: learn stable's past, and watch rates for a crash.

    Raises:
        TypeError: rule and capital are of different kinds.
        EvidenceError: a histogram's evidence for a rate.
    """
    if isinstance(rule, RateMargin) and isinstance(capital, RateCapital):
        return rate.watch(rule, capital, evidence)
    return learn(rule, capital, evidence)


def look(rule: Rule, capital: Capital, evidence: Counts) -> Capital:
    """Run a counted look: harm and safety bet on what precedes it, then the past grows.

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
    """Return the log of the e-process against "within the margin"; 0 before any look.

    It is `rate.log_harm` or, for a histogram, `bucket_test.log_harm`.
    """
    if isinstance(rule, RateMargin) and isinstance(capital, RateCapital):
        return rate.log_harm(rule, capital)
    if isinstance(capital, ShapeCapital) and capital.harm:
        return float(bucket_test.log_harm(np.asarray(capital.harm) / capital.log_divisor))
    return 0.0


def log_crash(rule: Rule, capital: Capital) -> float:  # noqa: ARG001  # the same signature as its siblings
    """Return the log of the crash watch, a `ratio_test.log_harm`; 0 for a histogram."""
    return float(ratio_test.log_harm(capital.crash)) if isinstance(capital, RateCapital) else 0.0


def log_safe(rule: Rule, capital: Capital) -> float:
    """Return log evidence against "worse than the margin allows"; safe at log(1/beta).

    It is `risk_difference.log_safe`. A histogram must be safe at every edge, so the smallest counts
    (intersection-union, see `verdict.judge`); -inf while its edges are not chosen.
    """
    if isinstance(rule, RateMargin) and isinstance(capital, RateCapital):
        return contrasts.log_safe(capital.contrast, rule.absolute)
    if isinstance(capital, ShapeCapital) and capital.contrasts:
        return min(contrasts.each_safe(capital.contrasts))
    return float("-inf")


@dataclass(frozen=True)
class Logs:
    """A capital's logs of harm, safety and crash, as returned by the functions above."""

    harm: float
    safe: float
    crash: float


def logs(rule: Rule, capital: Capital) -> Logs:
    """Return all three logs. They depend on the capital alone, so callers may cache them."""
    if isinstance(rule, RateMargin) and isinstance(capital, RateCapital):
        harm, crash = rate.logs(rule, capital)
        return Logs(harm, log_safe(rule, capital), crash)
    return Logs(log_harm(rule, capital), log_safe(rule, capital), log_crash(rule, capital))


def excess_rate(rule: Rule, capital: Capital, alpha: float) -> float:  # noqa: ARG001  # as above
    """Compute the worst credible excess of bad units per canary request, 0 to 1; 1 without data.

    The excess is over ratio * p_stable; it is the excess bound U at level alpha, over N_c, see
    `risk_difference.excess_rate`. Raises TypeError for a histogram.
    """
    if isinstance(capital, RateCapital):
        return contrasts.excess_rate(capital.contrast, alpha)
    raise TypeError("a histogram has no excess rate")


def problem(capital: Capital) -> str:
    """Explain why this metric can never be proven safe; empty if it can."""
    return capital.problem
