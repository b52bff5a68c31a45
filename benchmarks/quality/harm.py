"""Block 5: excess bad requests until a decision, and time to promote, with weights that follow.

Base 1 %, independent requests, a look every 15 s, no warm-up. D promotes at beta .05 once the
weight is at its top, with an excess of half the base rate acceptable. R rolls back on any excess
at alpha .05, of which the bar is asked; beside it are alpha .01, and alpha .01 with the same half
acceptable to R as well, where twice the errors are so near to the margin that no test can be quick.
The fixed ramp bakes 1, 5, 10, 25, 50 % for five minutes each; the evidence ramp's next weight is
budget / (u * requests per look) within 1 to 50 %, u the worst credible excess rate by D, and it
never falls. Excess bad requests are counted in expectation: canary requests times excess share.
"""

from __future__ import annotations

import math
from itertools import product
from typing import Literal, NamedTuple

import numpy as np

from analysis import safety, sequential
from analysis.worlds import Array, drawn
from benchmarks.quality.runs import SIGMAS, Row, chunks, each, seeded

RATES, THETAS, BASE, BETA = (5.0, 20.0, 100.0, 500.0), (1.0, 2.0, 5.0), 0.01, 0.05
TICK, LEAST, MOST, LONGEST, PAST = 15.0, 0.01, 0.5, 960, 40  # looks: 4 hours; 10 minutes of past
STEPS, BAKE = (0.01, 0.05, 0.1, 0.25, 0.5), 20  # looks at each step
BUDGETS = {5.0: 1.0, 20.0: 2.0, 100.0: 4.0, 500.0: 8.0}  # as an author may choose for the traffic
HARM_BAR, PROMOTION_BAR = {2.0: 15.0, 5.0: 8.0}, {20.0: 15.0, 500.0: 5.0}  # minutes

Ramp = Literal["fixed", "evidence"]
RAMPS: tuple[Ramp, ...] = ("fixed", "evidence")
TESTS = ((0.05, 0.0), (0.01, 0.0), (0.01, BASE / 2))
"""Alpha and absolute margin of R; the bar is asked of the first."""


class Cell(NamedTuple):
    """One service, canary and ramp."""

    ramp: Ramp
    test: tuple[float, float]
    rate: float
    theta: float
    rollouts: int
    seed: int


class Rollouts:
    """Many rollouts of a cell at once; those that are decided stay as they are."""

    def __init__(self, cell: Cell, size: int, rng: np.random.Generator) -> None:
        self.cell, self.rng, self.requests = cell, rng, cell.rate * TICK
        self.harm = np.zeros((size, sequential.POINTS.size))
        self.below = np.zeros((size, safety.LEVELS.size))
        self.counted, self.excess, self.ended = (np.zeros(size) for _ in range(3))
        self.weight = np.full(size, LEAST)
        self.rolled, self.promoted = (np.zeros(size, dtype=bool) for _ in range(2))
        e, x = drawn(rng, np.full(size, self.requests * PAST), np.full(size, BASE))
        share = (x + 1) / (e + 1)
        self.prior = safety.prior(share, share, 1.0, BASE / 2)

    def look(self, number: int) -> None:
        """Traffic, capital, decisions and the next weight of those still open."""
        open_ = ~(self.rolled | self.promoted)
        self._count(np.where(open_, self.weight, 0.0))
        proof = safety.log_safe(self.below, self.counted, BASE / 2, self.prior)
        top = self.weight >= MOST
        baked = self.cell.ramp == "evidence" or number >= BAKE * len(STEPS)
        self.rolled |= open_ & (sequential.log_harm(self.harm) >= -math.log(self.cell.test[0]))
        self.promoted |= open_ & ~self.rolled & top & baked & (proof >= -math.log(BETA))
        self.ended = np.where(open_, number, self.ended)
        self._ramp(number)

    def _count(self, weight: Array) -> None:
        share = min(1.0, BASE * self.cell.theta)
        e_c, x_c = drawn(self.rng, self.requests * weight, np.full(weight.shape, share))
        e_s, x_s = drawn(self.rng, self.requests * (1 - weight), np.full(weight.shape, BASE))
        self.harm += sequential.increment(e_c, e_s, x_c, x_s, absolute=self.cell.test[1])
        self.below += safety.below(e_c, e_s, x_c, x_s)
        self.counted += np.where(e_s > 0, e_c, 0)
        self.excess += self.requests * weight * (share - BASE)

    def _ramp(self, number: int) -> None:
        if self.cell.ramp == "fixed":
            self.weight[:] = STEPS[min(number // BAKE, len(STEPS) - 1)]
            return
        bound = safety.excess_bound(self.below, self.cell.test[0], self.prior)
        u = np.clip(bound / np.maximum(self.counted, 1), 1e-9, 1)
        self.weight = np.clip(
            np.maximum(self.weight, BUDGETS[self.cell.rate] / (u * self.requests)), LEAST, MOST
        )


def run(rollouts: int, seed: int) -> list[Row]:
    """A row for each ramp, rate and effect."""
    cells = [Cell(*one, rollouts, seed) for one in product(RAMPS, TESTS, RATES, THETAS)]
    return each("harm", _cell, cells)


def _cell(cell: Cell) -> list[Row]:
    rng, groups = seeded(cell.seed, "harm", cell[:4]), []
    for size in chunks(cell.rollouts):
        group = Rollouts(cell, size, rng)
        for number in range(1, LONGEST + 1):
            group.look(number)
            if np.all(group.rolled | group.promoted):
                break
        groups.append(group)
    excess, ended, rolled, promoted = (
        np.concatenate([getattr(group, name) for group in groups])
        for name in ("excess", "ended", "rolled", "promoted")
    )
    return [
        {
            "ramp": cell.ramp,
            "alpha": cell.test[0],
            "margin": cell.test[1],
            "rate": cell.rate,
            "theta": cell.theta,
            "runs": cell.rollouts,
            "excess": float(excess.mean()),
            "error": float(excess.std() / math.sqrt(cell.rollouts)),
            "rolled_back": float(rolled.mean()),
            "promoted": float(promoted.mean()),
            "minutes": float(np.median(ended)) * TICK / 60,
        }
    ]


def misses(rows: list[Row]) -> list[str]:
    """Too much harm with either ramp; too slow a promotion with the evidence ramp."""
    found = []
    for row in (row for row in rows if (row["alpha"], row["margin"]) == TESTS[0]):
        place = f"{row['ramp']} ramp, {row['rate']:g} rps, {row['theta']:g}x"
        bar = HARM_BAR.get(row["theta"], math.inf)
        if row["excess"] > bar + SIGMAS * row["error"]:
            found.append(f"{row['excess']:.1f} +- {row['error']:.1f} excess bad requests,"
                         f" bar {bar:g}: {place}")  # fmt: skip
        limit = PROMOTION_BAR.get(row["rate"], math.inf)
        if row["theta"] == 1 and row["ramp"] == "evidence" and row["minutes"] > limit:
            found.append(f"{row['minutes']:.1f} minutes to promote, bar {limit:g}: {place}")
    return found
