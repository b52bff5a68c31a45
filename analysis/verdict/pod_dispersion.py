"""Estimates a guardrail's dispersion, of a rate or a histogram, from stable's past."""

from __future__ import annotations

from analysis.counting.per_pod import PodCounts
from analysis.dispersion.estimate import Dispersion, ExposureHistory, estimate
from analysis.dispersion.histogram import estimate_shape
from analysis.verdict.guardrail import RateMargin, Rule


def dispersion_of(rule: Rule, past: PodCounts, pods_canary: int) -> Dispersion:
    """Estimate the dispersion of a guardrail's metric for a canary of `pods_canary` pods.

    For a histogram each component is the largest over stable's .5, .9, .95 and .99 edges. Raises
    EvidenceError and ValueError as `estimate.estimate` does.
    """
    if isinstance(rule, RateMargin):
        return estimate(ExposureHistory(past.exposures, past.counts[..., 1]), pods_canary)
    return estimate_shape(past.counts, rule.worse, pods_canary)
