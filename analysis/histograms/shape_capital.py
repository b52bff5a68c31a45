"""What a histogram guardrail has won and learnt so far."""

from __future__ import annotations

from dataclasses import dataclass, field

from analysis.histograms.alternatives import Alternatives
from analysis.histograms.edges import Pair
from analysis.rates.risk_difference import Contrast


@dataclass(frozen=True)
class ShapeCapital:
    """Log-capital of a histogram and stable's past. `problem`: why nothing can be proven.

    `information` is the precision of the arms' difference in probits, `log_divisor` the divisor
    of all log-capital (`tempering.total`); they are 0 and 1 without dispersion. `rise` is each
    alternative's rise under way and `rise_looks` its age (`limit.limit`), where the past shows
    troubles. `bets` are the
    bucket test's alternatives, built from the first `built_from_units` units of the past; they
    are derived from it, so they do not take part in comparisons.
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
    log_divisor: float = 1.0
    rise: tuple[float, ...] = ()
    rise_looks: tuple[float, ...] = ()
    built_from_units: int = 0
    bets: Alternatives | None = field(default=None, compare=False, repr=False)
