"""What distance before a step costs a harmless version: the share delayed, and by how much.

The rollouts are those of `ramp_paces`: base 1 %, a look every 15 s, a fixed ramp of 1, 5, 10, 25
and 50 %, here with 2 minutes at each step. The ratio test rolls back on an excess of half the base
at alpha .01, the excess bound promotes at beta .05. No step is taken while the log of the
evidence of harm is above half of log(1/alpha). A rollout is delayed if that held one of its steps;
its delay is the time for which it did, and without the rule it would have ended that much sooner.

    python benchmarks/near_harm.py [--full] [--docs FILE] [--seed N]
"""

from __future__ import annotations

import math
import sys
from itertools import product
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

from analysis.rates import excess_bound, ratio_test
from benchmarks.quality import written
from benchmarks.quality.climb import BASE, BETA, STEPS, TICK, ClimbCell, Rollouts
from benchmarks.quality.layout import table
from benchmarks.quality.runs import Row, each, seeded
from benchmarks.worlds.draws import Array
from rollout.decide.text.measurement import NEAR

ALPHA, LOOKS, PACE = 0.01, 480, 2.0  # 2 hours at most
RATES, THETAS = (20.0, 200.0), (1.0, 1.5)
HEAD = ["rps", "canary", "delayed", "delay: median", "9 in 10", "promoted"]
HEAD += ["median without", "with"]


class Stepped(Rollouts):
    """Rollouts that each climb on their own, so that a step can be held."""

    def __init__(self, cell: ClimbCell, size: int, rng: np.random.Generator) -> None:
        super().__init__(cell, size, rng)
        self.at_step, self.baked, self.held = (np.zeros(size, dtype=int) for _ in range(3))

    def look(self, number: int) -> None:
        """Run one look of the open rollouts."""
        open_ = ~(self.rolled | self.promoted)
        self._count(np.where(open_, self.weight, 0.0))
        log_harm = ratio_test.log_harm(self.harm)
        self.rolled |= open_ & (log_harm >= -math.log(ALPHA))
        proof = excess_bound.log_safe(self.below, self.counted, BASE / 2, self.prior)
        self.baked += 1
        is_last = self.at_step == len(STEPS) - 1
        wants = open_ & ~self.rolled & (self.baked >= self._looks_per_step)
        wants &= ~is_last | (proof >= -math.log(BETA))
        held = wants & (log_harm > NEAR * -math.log(ALPHA))
        self.held += held
        self.promoted |= wants & ~held & is_last
        self._climb(wants & ~held & ~is_last)
        self.ended = np.where(open_, number, self.ended)

    def _climb(self, moves: Array) -> None:
        self.at_step = np.where(moves, self.at_step + 1, self.at_step)
        self.baked = np.where(moves, 0, self.baked)
        self.weight = np.array(STEPS)[self.at_step]


def played(cell: ClimbCell) -> Stepped:
    """Play a cell's rollouts to their ends, or for 2 hours."""
    rollouts = Stepped(cell, cell.rollouts, seeded(cell.seed, "near harm", cell[:4]))
    for number in range(1, LOOKS + 1):
        rollouts.look(number)
        if (rollouts.rolled | rollouts.promoted).all():
            break
    return rollouts


def measured(cell: ClimbCell) -> list[Row]:
    """Measure a cell: what was held, and the times to promote with the held looks and without."""
    ruled = played(cell)
    is_delayed = ruled.held > 0
    share, delays = float(is_delayed.mean()), ruled.held[is_delayed] * TICK / 60
    times = [
        (ruled.ended - ahead)[ruled.promoted] * TICK / 60 for ahead in (ruled.held, 0 * ruled.held)
    ]
    return [
        {
            "rate": cell.rate,
            "theta": cell.theta,
            "delayed": share,
            "error": math.sqrt(share * (1 - share) / cell.rollouts),
            "median": float(np.median(delays)) if delays.size else 0.0,
            "most": float(np.quantile(delays, 0.9)) if delays.size else 0.0,
            "promoted": float(ruled.promoted.mean()),
            "free": float(np.median(times[0])) if times[0].size else math.nan,
            "ruled": float(np.median(times[1])) if times[1].size else math.nan,
        }
    ]


def main() -> int:
    """Print the table; exit code 1 where the median time to promote a twin of stable changed."""
    asked = written.asked(__doc__)
    runs = 10_000 if asked.full else 400
    test = ALPHA, BASE / 2
    cells = [
        ClimbCell("fixed", test, rate, theta, runs, asked.seed, PACE)
        for rate, theta in product(RATES, THETAS)
    ]
    rows = each("near harm", measured, cells)
    body = [
        [
            f"{row['rate']:g}",
            "like stable" if row["theta"] == 1 else "at its margin",
            f"{row['delayed']:.2%} ± {row['error']:.2%}",
            f"{row['median']:.1f} min",
            f"{row['most']:.1f} min",
            f"{row['promoted']:.1%}",
            f"{row['free']:.1f} min",
            f"{row['ruled']:.1f} min",
        ]
        for row in rows
    ]
    print(
        table(
            f"harmless rollouts that are held near harm ({runs} runs, seed {asked.seed})",
            HEAD,
            body,
        )
    )
    if asked.docs:
        written.write(asked.docs, "near-harm", written.markdown(HEAD, body))
    return int(any(row["free"] != row["ruled"] for row in rows if row["theta"] == 1))


if __name__ == "__main__":
    sys.exit(main())
