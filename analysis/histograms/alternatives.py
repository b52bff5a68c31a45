"""The bucket test's alternatives, built from stable's past and renewed as the past grows."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from analysis.counting import beyond
from analysis.counting.beyond import Worse
from analysis.dispersion.dispersion import Dispersion
from analysis.histograms import bucket_test
from analysis.log_arrays import Array, Column

START = 50
"""Units of stable's past before the bucket test bets: alternatives are built from them."""

GROWTH = 1.1
"""Alternatives are rebuilt once stable's past has grown by this factor.

Building them costs ten times as much as betting on them. All alternatives that depend only on the
past are valid, and a tenth more of the past hardly changes them.
"""


@dataclass(frozen=True)
class HistogramTolerance:
    """The canary may be as bad as stable's distribution moved towards worse by the tolerance.

    `relative`: the tolerance is a share of the value, otherwise it is in the value's unit. `worse`
    names the bad end of the scale. `dispersion`: how stable's pods differ; None assumes independent
    requests.
    """

    tolerance: float
    relative: bool
    worse: Worse
    dispersion: Dispersion | None = None

    @property
    def step(self) -> float:
        """The tolerance on the badness scale of `bucket_test.boundaries`: log(1 + t) if relative.

        Derived here: multiplying values by 1 + t adds log(1 + t) to their logarithms.
        """
        return math.log1p(self.tolerance) if self.relative else self.tolerance


@dataclass(frozen=True, eq=False)
class Alternatives:
    """Likelihood ratios: `lean` is q_a / q_s - 1, `log` is log(q_a / q_s), both (..., J, K).

    Buckets are in the order of badness, best first. `moved`, (K, K), maps stable's counts to those
    of the worst acceptable canary.
    """

    lean: Array
    log: Array
    moved: Array


def due(units: Column, last_units: Column) -> np.bool_ | np.ndarray:
    """Whether to build alternatives from a past of `units`, given the last build's number or 0.

    Both are counts, (...).
    """
    return units >= np.maximum(GROWTH * last_units, START)


def make(rule: HistogramTolerance, cuts: tuple[float, ...], past: ArrayLike) -> Alternatives:
    """Build alternatives from stable's past, counts in the histogram's own order: (..., K)."""
    moved = bucket_test.shift_matrix(cuts, rule.step)
    q_s = bucket_test.smoothed(beyond.oriented(past, rule.worse) @ moved)
    q_a = (
        bucket_test.worse_latencies(q_s)
        if rule.relative
        else bucket_test.worse_scores(q_s, cuts, rule.tolerance)
    )
    lean, log = bucket_test.likelihood_ratios(q_s, q_a)
    return Alternatives(lean, log, moved)


def gain(bets: Alternatives, canary: ArrayLike, stable: ArrayLike) -> Array:
    """Compute one look's log-capital per alternative, best bucket first: (..., K) -> (..., J).

    It is `bucket_test.gain` against stable moved by the tolerance.
    """
    x_s = np.asarray(stable, dtype=np.float64) @ bets.moved
    return bucket_test.gain(canary, x_s, bets.lean, bets.log)
