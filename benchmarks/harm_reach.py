"""How soon sudden harm can be known at all, and what each thing that is not known costs.

Scrapes and looks every 15 s, each look right after its scrape. A canary with 8 requests per second
begins to fail a fifth of them (or all) at a random moment, after looks in which all was well, and
stable fails 0.2 %. Measured are the seconds until the evidence suffices at `falseRollback: 1%`:

- by the test that runs where no past is known, and the one that runs after a calm past
- by the ratio test that is told the effect, and that harm begins at one of the looks so far
  (its error rate is shared evenly by them)
- by the same, told at which look harm begins

    python benchmarks/harm_reach.py [--runs N] [--seed N]
"""

from __future__ import annotations

import argparse
import sys
from itertools import product
from pathlib import Path
from typing import NamedTuple

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

from analysis.dispersion.dispersion import Dispersion
from analysis.rates import ratio_test
from analysis.rates.robust_test import ArmCounts
from analysis.verdict.verdict import CRASH_WEIGHT
from benchmarks.worlds.draws import Array
from benchmarks.worlds.paths import collapse_logs, robust_logs

SCRAPE, READABLE = 15.0, 0.4  # seconds; a look comes so long after its scrape
CANARY, BASE, ALPHA = 8.0, 0.002, 0.01
AFTER = 24  # looks after the onset
MARGINS = ((1.5, 0.0), (1.25, 0.002), (1.0, 0.01))
CALM = Dispersion(by="totals", pods_stable=4, lasting=0.00128, ticks=2880)


class Onset(NamedTuple):
    """The canary's share of all requests, what it fails of them, and the calm looks before."""

    share: float
    harm: float
    calm: int


def draw(onset: Onset, runs: int, dice: np.random.Generator) -> tuple[Array, ArmCounts]:
    """Return the seconds of the onset's look that are before it, and all counts (runs, looks)."""
    shape, requests = (runs, onset.calm + AFTER), CANARY * SCRAPE
    before = dice.uniform(0, SCRAPE, runs)
    failing = np.full(shape, onset.harm)
    failing[:, : onset.calm] = BASE
    failing[:, onset.calm] = BASE + (onset.harm - BASE) * (1 - before / SCRAPE)
    e_c = dice.poisson(requests, shape)
    e_s = dice.poisson(requests * (1 / onset.share - 1), shape)
    return before, ArmCounts(e_c, e_s, dice.binomial(e_c, failing), dice.binomial(e_s, BASE))


def follow_oracle(counts: ArmCounts, onset: Onset, margin: tuple[float, float]) -> Array:
    """Return the log of the ratio test that is told effect and onset: (runs, looks)."""
    ratio, absolute = margin
    e_c, e_s, x_c, x_s = (np.asarray(v, dtype=np.float64) for v in counts)
    point = onset.harm / (ratio * BASE + absolute)
    stake = (point - 1) * e_s / (e_s + ratio * point * e_c)
    stake_stable = (point - 1) * ratio * e_c / (e_s + ratio * e_c)
    gain = x_c * np.log1p(stake) - x_s * np.log1p(stake_stable) - absolute * e_c * stake
    gain[:, : onset.calm] = 0
    return np.asarray(gain.cumsum(axis=1))


def find_delays(log: Array, before: Array, calm: int, level: float) -> Array:
    """Return the seconds from the onset to the look at which a log reaches log(1 / level)."""
    crossed = log[:, calm:] >= -np.log(level)
    looks = np.where(crossed.any(axis=1), crossed.argmax(axis=1) + 1, np.inf)
    return np.asarray(looks * SCRAPE - before + READABLE)


def measure(onset: Onset, margin: tuple[float, float], runs: int, seed: int) -> list[str]:
    """Return the median of each test, with the share that takes longer than two scrapes."""
    before, counts = draw(onset, runs, np.random.default_rng(seed))
    ratio, absolute = margin
    gains = ratio_test.increment(*counts, ratio=ratio, absolute=absolute)
    plain = ratio_test.log_harm(gains.cumsum(axis=1))
    past = robust_logs([CALM] * runs, counts, ratio=ratio, absolute=absolute)
    oracle, alone = follow_oracle(counts, onset, margin), 1 - CRASH_WEIGHT
    tests = (
        (collapse_logs(plain, counts, ratio=ratio), alone * ALPHA),
        (past, alone * ALPHA),
        (oracle, ALPHA / max(1, onset.calm)),
        (oracle, ALPHA),
    )
    cells = []
    for log, level in tests:
        # `alone` is the weight in the mean, so that the evidence has to be as much higher.
        delays = find_delays(log, before, onset.calm, level)
        late = float((delays > 2 * SCRAPE + READABLE).mean())
        cells.append(f"{np.median(delays):.1f} ({late:.2f})")
    return cells


def main() -> None:
    """Print a table of medians."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    print("| fails | share | margin | calm looks | no past | calm past | one of the looks | told |")
    print("|---|---|---|---|---|---|---|---|")
    for harm, share, margin, calm in product((0.2, 1.0), (0.1, 0.5), MARGINS, (10, 40, 240)):
        cells = measure(Onset(share, harm, calm), margin, options.runs, options.seed)
        limits = f"{margin[0]:g}x + {margin[1]:.1%}"
        print("|", " | ".join([f"{harm:.0%}", f"{share:.0%}", limits, str(calm), *cells]), "|")


if __name__ == "__main__":
    main()
