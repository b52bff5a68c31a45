"""Argo Rollouts' rule (1.10-rc): an analysis fails at failure number failureLimit + 1.

On streams, the documented example: success rate of the last five minutes, measured every five,
at least .95, failureLimit 3. Without requests the result is NaN, and NaN fails the condition.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from benchmarks.peers.rule import Array, Rule, nth_worst, shares, windows
from benchmarks.worlds.rates import Streams

Phase = Literal["Successful", "Running", "Pending", "Inconclusive", "Error", "Failed"]
Condition = Callable[[float], bool]
OVER: tuple[Phase, ...] = ("Successful", "Failed", "Inconclusive", "Error")

LIMIT, FAILURES, WINDOW = 0.05, 3, 10  # looks of 30 s
RETRY = 10.0
"""Seconds after which a measurement that ended in an error is repeated."""


def score(streams: Streams, _alpha: float) -> Array:
    """Return the fourth worst measurement so far: above the limit, four have failed."""
    bad, exposures = (windows(counts, WINDOW, WINDOW) for counts in (streams.x_c, streams.e_c))
    return nth_worst(shares(bad, exposures, np.inf), FAILURES + 1)


RULE = Rule(score, lambda _alpha: LIMIT, every=WINDOW)


@dataclass(frozen=True)
class ArgoMetric:
    """One metric of an analysis; the fields are upstream's, with upstream's defaults.

    A negative `failures` disables that limit. `count` 0: the metric never completes by itself.
    """

    success: Condition | None = None
    failure: Condition | None = None
    interval: float | None = None
    count: int = 0
    delay: float = 0.0
    failures: int = 0
    inconclusive: int = 0
    errors_in_a_row: int = 4
    successes_in_a_row: int = 0

    @property
    def wanted(self) -> int:
        """Return how many measurements complete the metric; 0 if none do."""
        return self.count or (1 if self.interval is None else 0)


@dataclass(frozen=True)
class AnalysisStatus:
    """The measurements so far."""

    measured: int = 0
    failed: int = 0
    inconclusive: int = 0
    errors_in_a_row: int = 0
    successes_in_a_row: int = 0
    last: tuple[Phase, float] | None = None
    phase: Phase = "Pending"


def evaluate(metric: ArgoMetric, result: float | None) -> Phase:
    """Return the phase of one measurement; a result of None means that the query failed."""
    if result is None:
        return "Error"
    if metric.success is None and metric.failure is None:
        return "Successful"
    good = metric.success(result) if metric.success else None
    bad = metric.failure(result) if metric.failure else not good
    if bad:
        return "Failed"
    return "Successful" if good is None or good else "Inconclusive"


def record(status: AnalysisStatus, phase: Phase, now: float) -> AnalysisStatus:
    """Return the status after one more measurement."""
    status = replace(status, last=(phase, now))
    if phase == "Error":
        return replace(status, errors_in_a_row=status.errors_in_a_row + 1, successes_in_a_row=0)
    return replace(
        status,
        measured=status.measured + 1,
        errors_in_a_row=0,
        successes_in_a_row=status.successes_in_a_row + 1 if phase == "Successful" else 0,
        failed=status.failed + (phase == "Failed"),
        inconclusive=status.inconclusive + (phase == "Inconclusive"),
    )


def assess(metric: ArgoMetric, status: AnalysisStatus, *, terminating: bool = False) -> Phase:
    """Return the metric's phase; an exceeded limit ends it, errors before inconclusive ones."""
    if status.phase in OVER:
        return status.phase
    ended: Phase = "Successful" if terminating else "Running"
    if status.last is None:
        return ended if terminating else "Pending"
    if status.errors_in_a_row > metric.errors_in_a_row:
        return "Error"
    if status.inconclusive > metric.inconclusive:
        return "Inconclusive"
    if 0 <= metric.failures < status.failed:
        return "Failed"
    return _find_completed_phase(metric, status) or ended


def _find_completed_phase(metric: ArgoMetric, status: AnalysisStatus) -> Phase | None:
    row = metric.successes_in_a_row
    if row and status.successes_in_a_row >= row:
        return "Successful"
    if not metric.wanted or status.measured < metric.wanted:
        return None
    if not row:
        return "Successful"
    return "Inconclusive" if metric.failures >= 0 else "Failed"


def due(metric: ArgoMetric, status: AnalysisStatus, started: float) -> float | None:
    """Return the unix time of the next measurement; None if there is none."""
    if status.phase in OVER:
        return None
    if status.last is None:
        return started + metric.delay
    if metric.wanted and status.measured >= metric.wanted:
        return None
    phase, at = status.last
    return at + (RETRY if phase == "Error" or metric.interval is None else metric.interval)


def measured(
    metric: ArgoMetric, source: Callable[[float], float | None], until: float
) -> AnalysisStatus:
    """Return the status at `until` of a metric that started at 0 and is measured when due."""
    status = AnalysisStatus()
    while (at := due(metric, status, 0.0)) is not None and at <= until:
        status = record(status, evaluate(metric, source(at)), at)
        status = replace(status, phase=assess(metric, status))
    return status
