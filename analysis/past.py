"""What stable's past says of a guardrail: its dispersion, of a rate or at a histogram's edges."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from analysis.dispersion import Dispersion, PodHistory, estimate
from analysis.distribution import oriented
from analysis.guard import RateRule, Rule
from analysis.pairs import QUANTILES
from analysis.pods import PodCounts


def dispersion_of(rule: Rule, past: PodCounts, pods_canary: int) -> Dispersion:
    """The dispersion of a guardrail's metric for a canary of so many pods.

    A histogram has the largest of each part over stable's .5, .9, .95 and .99 edges. Raises
    EvidenceError and ValueError as `dispersion.estimate` does.
    """
    if isinstance(rule, RateRule):
        return estimate(PodHistory(past.exposures, past.counts[..., 1]), pods_canary)
    counts = oriented(past.counts, rule.worse)
    exposures = past.exposures
    beyond = counts[..., ::-1].cumsum(axis=-1)[..., -2::-1]
    found = [
        estimate(PodHistory(exposures, beyond[..., edge]), pods_canary)
        for edge in _edges(beyond.sum(axis=(0, 1)), float(exposures.sum()))
    ]
    return _largest(found)


def _edges(beyond: np.ndarray, total: float) -> list[int]:
    """The boundary nearest to each guarded quantile, each once."""
    share = beyond / max(total, 1.0)
    return sorted({int(np.abs(share - (1 - q)).argmin()) for q in QUANTILES})


def _largest(found: list[Dispersion]) -> Dispersion:
    first = next((one for one in found if one.problem), found[0])
    return replace(
        first,
        cluster=max(one.cluster for one in found),
        passing=max(one.passing for one in found),
        lasting=max(one.lasting for one in found),
    )
