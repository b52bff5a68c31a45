"""What late starts bring and cost by the part of the capital that waits; requests independent.

A bet that starts at the first look must win back what it lost while there was no harm. The share of
the capital that waits, and starts a new bet at every later look, need not. 240 looks of 30 s at 20
requests/s, base 1 %, alpha .01. If requests are not independent and the plan does not declare its
pods, harmless canaries are rolled back.

    python benchmarks/late_starts.py [--full] [--docs FILE] [--seed N]
"""

from __future__ import annotations

import math
import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

from analysis.dispersion.dispersion import Dispersion
from analysis.rates import robust_test
from benchmarks.quality import written
from benchmarks.quality.engines import _counts
from benchmarks.quality.layout import table
from benchmarks.worlds.draws import Array
from benchmarks.worlds.paths import noises, walk
from benchmarks.worlds.rates import SCENARIOS, CountsModel, Scenario

PARTS = (0.0, 0.02, 0.05, 0.1, 0.2)
"""Shares of the capital that wait."""

ALPHA, BASE, RATE = 0.01, 0.01, 20.0
HARMLESS: tuple[Scenario, ...] = ("iid", "incidents", "retries", "pod-ar1", "pod-bursts", "skew")

EFFECTS = ((2.0, 0), (3.0, 0), (5.0, 0), (2.0, 60), (2.0, 120), (5.0, 120))
"""Factor on the errors, and the look from which it applies."""


def paths(theta: float, onset: int, weight: float, runs: int, seed: int) -> tuple[Array, Array]:
    """Return logs of the ratio test and of its late starts, shape (rollouts, looks) each."""
    key = [seed, round(theta * 10), onset, round(weight * 100)]
    world = CountsModel("iid", RATE, BASE, weight=weight, theta=theta, onset=onset)
    return _compute_log_capital(world, np.random.default_rng(key), runs)


def _compute_log_capital(
    world: CountsModel, rng: np.random.Generator, runs: int
) -> tuple[Array, Array]:
    counts = _counts(world.streams(rng, runs))
    noise = noises([Dispersion()] * runs)
    logs = np.array([robust_test.members(state, noise) for state in walk(noise, counts)])
    return logs[..., 0].T, logs[..., 1].T


def wrong(scenario: Scenario, weight: float, runs: int, seed: int) -> list[float]:
    """Return false rollback by the share that waits, with requests taken as independent."""
    key = [seed, SCENARIOS.index(scenario), round(weight * 100)]
    world = CountsModel(scenario, RATE, BASE, weight=weight)
    drawn = _compute_log_capital(world, np.random.default_rng(key), runs)
    return [
        float((mixed(*drawn, waiting) >= -math.log(ALPHA)).any(axis=1).mean()) for waiting in PARTS
    ]


def mixed(ratio: Array, late: Array, waiting: float) -> Array:
    """Return the log of the mixture in which the share `waiting` of the capital waits."""
    return (
        np.logaddexp(ratio + math.log1p(-waiting), late + math.log(waiting)) if waiting else ratio
    )


def delays(log: Array, onset: int) -> tuple[float, float]:
    """Return mean looks from the onset to the rollback, and the share rolled back.

    A rollout without a rollback counts with all its looks from the onset.
    """
    crossed = log[:, onset:] >= -math.log(ALPHA)
    is_rolled_back = crossed.any(axis=1)
    return float(
        np.where(is_rolled_back, crossed.argmax(axis=1) + 1, log.shape[1] - onset).mean()
    ), float(is_rolled_back.mean())


def main() -> int:
    """Print a table for each weight."""
    asked = written.asked(__doc__)
    runs, pages = 4000 if asked.full else 400, []
    for weight in (0.5, 0.1):
        body = []
        for theta, onset in EFFECTS:
            drawn = paths(theta, onset, weight, runs, asked.seed)
            cells = [delays(mixed(*drawn, waiting), onset) for waiting in PARTS]
            body.append([f"{theta:g}x from look {onset} on", *(f"{d:.1f}" for d, _ in cells)])
        for scenario in HARMLESS:
            shares = wrong(scenario, weight, runs, asked.seed)
            body.append([f"false rollback, {scenario}", *(f"{share:.3f}" for share in shares)])
        title = f"Mean looks to the rollback at weight {weight:.0%}, by the part that waits"
        head = ["effect", *(f"{waiting:.0%}" for waiting in PARTS)]
        print(table(f"{title} ({runs} runs, seed {asked.seed})", head, body), end="")
        pages.append(written.markdown([f"weight {weight:.0%}", *head[1:]], body))
    if asked.docs:
        written.write(asked.docs, "late starts", "\n".join(pages))
    return 0


if __name__ == "__main__":
    sys.exit(main())
