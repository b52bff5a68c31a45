"""What was estimated of how much the pods of one version differ, as plain numbers."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

WINDOWS = (4, 16, 48)
"""Window lengths in ticks over which pods are compared; together they show how long
differences between pods last."""

_CALM = 1.1  # variance of totals, of independent ones, up to which tempering would change little
_UNSEEN = 16.0  # assumed memory in ticks of differences that single ticks are too short to show


@dataclass(frozen=True)
class Dispersion:
    """Variance between pods of one version, on three time scales; plain numbers, ready for JSON.

    `cluster`: variance of a pod's bad units within a tick, per bad unit; 1 if they are independent.
    `brief`: variance of a pod's rate, relative to the pods' mean, from tick to tick.
    `passing`: what differences longer than a tick add to that variance in the long run, per tick.
    `lasting`: variance of differences that last a pod's life, widened for the number of pods seen.
    `inflation`: ratio of the variance of the pods' totals, without `lasting`, to that of
    independent requests. `pods_canary` and `pods_stable` count the pods that share the traffic at a
    time. `problem`: why no valid test of harm or safety exists; empty if one does. For a histogram
    the unit is any unit, not a bad one, and the rate is the probit of the share beyond an edge.
    `by`: whether pods were compared, or a version's totals over time (`totals.estimate_totals`).
    `trouble`: the longest rare trouble of the totals, in looks; evidence that lasts no longer is
    limited (`limit`). 0 if there was none, and where pods tell what hits all of them alike.
    `rate`: stable's bad units per exposure. `unexcluded`: the long-run variance per tick of a pod's
    relative rate that the past does not exclude, which sizes what an absolute margin allows beyond
    that rate. Both are None in older journals, whose tests go on as they began.
    """

    cluster: float = 1.0
    brief: float = 0.0
    passing: float = 0.0
    lasting: float = 0.0
    inflation: float = 1.0
    pods_canary: int = 1
    pods_stable: int = 1
    ticks: int = 0
    problem: str = ""
    by: Literal["pods", "totals"] = "pods"
    trouble: int = 0
    rate: float | None = None
    unexcluded: float | None = None

    @property
    def is_calm(self) -> bool:
        """Whether totals show hardly more than independent requests, and no trouble."""
        variance = max(self.cluster, self.inflation)
        return self.by == "totals" and variance <= _CALM and not (self.trouble or self.problem)

    @property
    def block(self) -> int:
        """Looks per share bet: half the time that differences between pods last."""
        if self.passing <= 0:
            return 1
        lasts = self.passing / self.brief if self.brief > 0 else _UNSEEN
        return math.ceil(min(max((1 + lasts) / 2, 1), WINDOWS[-1]))
