"""Block 1: false rollback over 240 looks in every scenario, of our engines and of all peers."""

from __future__ import annotations

from collections import Counter
from functools import partial
from itertools import product
from typing import NamedTuple

import numpy as np

from analysis.worlds import SCENARIOS, Scenario, Streams, World
from benchmarks.quality.engines import ENGINES, SHIPPED
from benchmarks.quality.rules import RULES
from benchmarks.quality.runs import Row, above, chunks, each, error, seeded

RATES, BASES, ALPHAS = (0.2, 20.0, 500.0), (0.001, 0.01, 0.05), (0.05, 0.01)
QUIET, QUIET_BAR = ("iid", "incidents"), 0.007


class Cell(NamedTuple):
    """One world and how often to draw it."""

    scenario: Scenario
    rate: float
    base: float
    rollouts: int
    seed: int


def run(rollouts: int, seed: int) -> list[Row]:
    """A row for each scenario, rate, base, alpha and rule."""
    worlds = product(SCENARIOS, RATES, BASES)
    return each("false rollback", _cell, [Cell(*world, rollouts, seed) for world in worlds])


def _cell(cell: Cell) -> list[Row]:
    world = World(cell.scenario, cell.rate, cell.base)
    rng, past_rng = (seeded(cell.seed, "rollback", cell[:3], part) for part in ("now", "past"))
    rolled: Counter[tuple[float, str]] = Counter()
    refused: Counter[tuple[float, str]] = Counter()
    for size in chunks(cell.rollouts):
        streams, past = world.streams(rng, size), partial(world.history, past_rng, size)
        for alpha, (name, engine) in product(ALPHAS, ENGINES.items()):
            outcome = engine(streams, past, alpha)
            rolled[alpha, name] += int((outcome.rolled_back > 0).sum())
            refused[alpha, name] += int(outcome.refused.sum())
        rolled += _peers(streams.arms())
    share = 1 / cell.rollouts
    names = product(ALPHAS, (*ENGINES, *RULES))
    return [_row(cell, *key, rolled[key] * share, refused[key] * share) for key in names]


def _peers(arms: Streams) -> Counter[tuple[float, str]]:
    """Rollbacks by alpha and rule; a rule without a declared error rate has the same at each."""
    rolled: Counter[tuple[float, str]] = Counter()
    for name, rule in RULES.items():
        for alpha in ALPHAS if rule.declared else ALPHAS[:1]:
            look = rule.rolled_back(rule.score(arms, alpha), rule.limit(alpha), arms.e_c.shape[1])
            for same in (alpha,) if rule.declared else ALPHAS:
                rolled[same, name] += int((look > 0).sum())
    return rolled


def _row(cell: Cell, alpha: float, rule: str, share: float, refused: float) -> Row:
    return {
        "scenario": cell.scenario,
        "rate": cell.rate,
        "base": cell.base,
        "alpha": alpha,
        "rule": rule,
        "runs": cell.rollouts,
        "false_rollback": share,
        "error": error(share, cell.rollouts),
        "refused": refused,
    }


def misses(rows: list[Row]) -> list[str]:
    """Cells of the shipped engine beyond alpha, and quiet scenarios beyond .7 % at alpha .01."""
    ours = [row for row in rows if row["rule"] == SHIPPED]
    found = [
        f"false rollback {row['false_rollback']:.3f} +- {row['error']:.3f} at alpha {row['alpha']}:"
        f" {row['scenario']}, {row['rate']:g} rps, base {row['base']:.1%}"
        for row in ours
        if above(row["false_rollback"], row["alpha"], row["runs"])
    ]
    for scenario in QUIET:
        quiet = [r for r in ours if r["scenario"] == scenario and r["alpha"] == min(ALPHAS)]
        share, runs = np.mean([r["false_rollback"] for r in quiet]), sum(r["runs"] for r in quiet)
        if above(float(share), QUIET_BAR, runs):
            found.append(f"false rollback {share:.4f} at alpha .01 over all {scenario} cells")
    return found
