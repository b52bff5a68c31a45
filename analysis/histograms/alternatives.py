"""What H bets on: alternatives made from stable's past, and kept while it has hardly grown."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from analysis.counting import orientation
from analysis.counting.orientation import Worse
from analysis.dispersion.estimate import Dispersion
from analysis.histograms import bucket_test
from analysis.log_arrays import Array, Column

START = 50
"""Units of stable's past before H bets: alternatives are made from it."""

GROWTH = 1.1
"""Alternatives are made anew once stable's past is this many times what they were made from.

Making them costs ten times what betting on them does. Any that depend on the past only are valid;
a tenth more of the past hardly changes them.
"""


@dataclass(frozen=True)
class HistogramTolerance:
    """Acceptable is stable's distribution moved towards worse by the tolerance, or better.

    `relative`: the tolerance is a share of the value, else in the value's unit. `worse` says which
    end of the scale is bad. `dispersion`: how stable's pods differ by themselves; None takes
    requests to be independent.
    """

    tolerance: float
    relative: bool
    worse: Worse
    dispersion: Dispersion | None = None

    @property
    def step(self) -> float:
        """The tolerance on the badness scale of `bucket_test.boundaries`: log(1 + t) of a share t.

        Derived here: values times 1 + t are logarithms plus log(1 + t).
        """
        return math.log1p(self.tolerance) if self.relative else self.tolerance


@dataclass(frozen=True, eq=False)
class Alternatives:
    """Likelihood ratios q_a / q_s less one, and their logarithms, (..., J, K), best bucket first.

    `moved` takes stable's counts to what is just acceptable, (K, K).
    """

    lean: Array
    log: Array
    moved: Array


def due(units: Column, made: Column) -> np.bool_ | np.ndarray:
    """Whether to make alternatives from a past of so many units; `made`: of the last ones, or 0.

    Counts, (...) and (...).
    """
    return units >= np.maximum(GROWTH * made, START)


def make(rule: HistogramTolerance, cuts: tuple[float, ...], past: ArrayLike) -> Alternatives:
    """Alternatives from stable's past, its counts in the histogram's own order: (..., K)."""
    moved = bucket_test.shift_matrix(cuts, rule.step)
    q_s = bucket_test.smoothed(orientation.oriented(past, rule.worse) @ moved)
    q_a = (
        bucket_test.worse_latencies(q_s)
        if rule.relative
        else bucket_test.worse_scores(q_s, cuts, rule.tolerance)
    )
    ratio = q_a / q_s[..., None, :]
    return Alternatives(ratio - 1.0, np.log(ratio), moved)


def gain(bets: Alternatives, canary: ArrayLike, stable: ArrayLike) -> Array:
    """One look's log-capital per alternative, counts best bucket first: (..., K) -> (..., J).

    `bucket_test.won` against stable moved by the tolerance.
    """
    x_s = np.asarray(stable, dtype=np.float64) @ bets.moved
    return bucket_test.won(canary, x_s, bets.lean, bets.log)
