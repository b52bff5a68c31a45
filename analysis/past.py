"""What stable's past says of a guardrail: its dispersion, of a rate or of a histogram."""

from __future__ import annotations

from analysis.dispersion import Dispersion, PodHistory, estimate
from analysis.dispersion_shape import estimate_shape
from analysis.guard import RateRule, Rule
from analysis.pods import PodCounts


def dispersion_of(rule: Rule, past: PodCounts, pods_canary: int) -> Dispersion:
    """The dispersion of a guardrail's metric for a canary of so many pods.

    A histogram has the largest of each part over stable's .5, .9, .95 and .99 edges. Raises
    EvidenceError and ValueError as `dispersion.estimate` does.
    """
    if isinstance(rule, RateRule):
        return estimate(PodHistory(past.exposures, past.counts[..., 1]), pods_canary)
    return estimate_shape(past.counts, rule.worse, pods_canary)
