"""A metric's numbers for display: counts, estimate and interval against the margin."""

from __future__ import annotations

import math
from dataclasses import dataclass

from analysis.fast_replace import replace
from analysis.rates import risk_difference as contrasts
from analysis.rates.risk_difference import Contrast


@dataclass(frozen=True)
class Readout:
    """One metric in numbers, ready for JSON: no NaN, no infinity, None where unknown.

    Counts are of counted looks with exposures on both arms. For a histogram, bad units are those
    beyond `edge`, the edge that is furthest from its proof. `estimate` is the difference of bad
    shares, canary minus stable, averaged over the canary's exposures. `low` (level 1 - alpha) and
    `high` (1 - beta) hold at any time. `allowed` is the margin on the same scale: a metric is safe
    when high < allowed. `mantel_haenszel` averages by both arms' exposures, one stratum per look,
    which has the smallest variance. `harm` and `safe` are shares of the log evidence needed; 1
    decides. Of a ratio of sums, bad units are the sums, and `ratio` is the canary's sum per unit in
    multiples of stable's, approximately between `ratio_low` and `ratio_high`.
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
    ratio: float | None = None
    ratio_low: float | None = None
    ratio_high: float | None = None


def harm_share(log_harm: float, alpha: float) -> float:
    """Compute the share of the log evidence of harm that alpha requires; 1 decides."""
    return max(0.0, log_harm / -math.log(alpha))


def proof_share(log_safe: float, beta: float) -> float | None:
    """Compute the share of the log evidence of safety that beta requires; None if impossible."""
    return max(0.0, log_safe / -math.log(beta)) if math.isfinite(log_safe) else None


def read_contrast(
    plain: Readout, contrast: Contrast, absolute: float, alpha: float, beta: float
) -> Readout:
    """Set the counts, estimates and bounds of a comparison; without data nothing changes."""
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
