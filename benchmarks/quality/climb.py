"""Simulates many rollouts whose weight follows a ramp.

The ratio test rolls back; the excess bound promotes at the ramp's top.
"""

from __future__ import annotations

import math
from typing import Literal, NamedTuple

import numpy as np

from analysis.rates import excess_bound, ratio_test
from benchmarks.quality.detection import known_gain
from benchmarks.worlds import paths
from benchmarks.worlds.draws import Array, DrawnCounts, drawn

BASE, BETA = 0.01, 0.05
TICK, LEAST, MOST, PAST = 15.0, 0.01, 0.5, 40  # looks: 10 minutes of past
STEPS = (0.01, 0.05, 0.1, 0.25, 0.5)

Ramp = Literal["fixed", "evidence"]


class ClimbCell(NamedTuple):
    """One service, canary and ramp.

    `pace`: minutes at each step of a fixed ramp, or the excess bad requests that an evidence ramp
    risks until the next look.
    """

    ramp: Ramp
    test: tuple[float, float]
    rate: float
    theta: float
    rollouts: int
    seed: int
    pace: float


class Rollouts:
    """Many rollouts of a cell at once; a decided one no longer changes."""

    def __init__(self, cell: ClimbCell, size: int, rng: np.random.Generator) -> None:
        self.cell, self.rng, self.requests = cell, rng, cell.rate * TICK
        self.harm = np.zeros((size, ratio_test.POINTS.size))
        self.below = np.zeros((size, excess_bound.LEVELS.size))
        self.counted, self.excess, self.ended = (np.zeros(size) for _ in range(3))
        self.weight = np.full(size, LEAST)
        self.rolled, self.promoted = (np.zeros(size, dtype=bool) for _ in range(2))
        e, x = drawn(rng, np.full(size, self.requests * PAST), np.full(size, BASE))
        share = (x + 1) / (e + 1)
        self.prior = excess_bound.prior(share, share, 1.0, BASE / 2)

    def look(self, number: int) -> None:
        """Run one look of the open rollouts: traffic, capital, decisions and the next weight."""
        open_ = ~(self.rolled | self.promoted)
        self._count(np.where(open_, self.weight, 0.0))
        proof = excess_bound.log_safe(self.below, self.counted, BASE / 2, self.prior)
        top = self.weight >= MOST
        baked = self.cell.ramp == "evidence" or number >= self._looks_per_step * len(STEPS)
        self.rolled |= open_ & (ratio_test.log_harm(self.harm) >= -math.log(self.cell.test[0]))
        self.promoted |= open_ & ~self.rolled & top & baked & (proof >= -math.log(BETA))
        self.ended = np.where(open_, number, self.ended)
        self._set_next_weight(number)

    def _count(self, weight: Array) -> None:
        share = min(1.0, BASE * self.cell.theta)
        e_c, x_c = drawn(self.rng, self.requests * weight, np.full(weight.shape, share))
        e_s, x_s = drawn(self.rng, self.requests * (1 - weight), np.full(weight.shape, BASE))
        self.harm += self._compute_gain(e_c, e_s, x_c, x_s)
        self.below += paths.below(e_c, e_s, x_c, x_s)
        self.counted += np.where(e_s > 0, e_c, 0)
        self.excess += self.requests * weight * (share - BASE)

    def _compute_gain(
        self, e_c: DrawnCounts, e_s: DrawnCounts, x_c: DrawnCounts, x_s: DrawnCounts
    ) -> Array:
        return ratio_test.increment(e_c, e_s, x_c, x_s, absolute=self.cell.test[1])

    @property
    def _looks_per_step(self) -> int:
        """Return the looks at each step of the fixed ramp."""
        return round(self.cell.pace * 60 / TICK)

    def _set_next_weight(self, number: int) -> None:
        if self.cell.ramp == "fixed":
            self.weight[:] = STEPS[min(number // self._looks_per_step, len(STEPS) - 1)]
            return
        bound = excess_bound.excess_bound(self.below, self.cell.test[0], self.prior)
        u = np.clip(bound / np.maximum(self.counted, 1), 1e-9, 1)
        self.weight = np.clip(
            np.maximum(self.weight, self.cell.pace / (u * self.requests)), LEAST, MOST
        )


class Known(Rollouts):
    """Rollouts that the SPRT that knows the effect rolls back, on any excess."""

    def _compute_gain(
        self, e_c: DrawnCounts, e_s: DrawnCounts, x_c: DrawnCounts, x_s: DrawnCounts
    ) -> Array:
        return known_gain(e_c, e_s, x_c, x_s, self.cell.theta)[:, None]  # the same at every point
