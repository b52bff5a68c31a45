"""Block 1: false rollback over 240 looks in every scenario, of our engines and all peers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import product
from typing import NamedTuple

import numpy as np

from benchmarks.quality.engines import ENGINES, SHIPPED, Outcome, Past
from benchmarks.quality.rules import RULES
from benchmarks.quality.runs import Row, above, chunks, each, error, seeded
from benchmarks.quality.together import Worlds, groups
from benchmarks.worlds.rates import SCENARIOS, CountsModel, Scenario, Streams

RATES, BASES, ALPHAS = (0.2, 20.0, 500.0), (0.001, 0.01, 0.05), (0.05, 0.01)
_PARTS = ("now", "past")
QUIET, QUIET_BAR = ("iid", "incidents"), 0.007


Tally = Counter[tuple[float, str]]
"""Rollouts by alpha and rule."""


class RollbackCell(NamedTuple):
    """One world and how often to draw it."""

    scenario: Scenario
    rate: float
    base: float
    rollouts: int
    seed: int


def run(rollouts: int, seed: int) -> list[Row]:
    """Measure a row for each scenario, rate, base, alpha and rule."""
    cells = [RollbackCell(*world, rollouts, seed) for world in product(SCENARIOS, RATES, BASES)]
    return each("false rollback", _group, groups(cells, rollouts))


def _group(cells: Sequence[RollbackCell]) -> list[Row]:
    rolled, refused = [Tally() for _ in cells], [Tally() for _ in cells]
    now, past = ([seeded(c.seed, "rollback", c[:3], purpose) for c in cells] for purpose in _PARTS)
    for size in chunks(cells[0].rollouts):
        worlds = Worlds([CountsModel(c.scenario, c.rate, c.base) for c in cells], size, now, past)
        streams = worlds.streams()
        for (alpha, rule), outcome in _play(streams, worlds.history):
            events = outcome.rolled_back > 0, outcome.refused
            for tallies, happened in zip((rolled, refused), events, strict=True):
                for tally, count in zip(tallies, worlds.counts(happened), strict=True):
                    tally[alpha, rule] += count
    return [
        _build_row(cell, *key, ours[key] / cell.rollouts, theirs[key] / cell.rollouts)
        for cell, ours, theirs in zip(cells, rolled, refused, strict=True)
        for key in product(ALPHAS, (*ENGINES, *RULES))
    ]


def _play(streams: Streams, past: Past) -> Iterator[tuple[tuple[float, str], Outcome]]:
    """Yield the outcome of every engine and rule at each alpha."""
    for name, engine in ENGINES.items():
        trace = engine(streams, past)
        for alpha in ALPHAS:
            yield (alpha, name), trace.at(alpha)
    arms = streams.arms()
    never = np.zeros(len(arms.e_c), dtype=bool)
    for name, rule in RULES.items():
        for alpha in ALPHAS if rule.declared else ALPHAS[:1]:
            look = rule.rolled_back(rule.score(arms, alpha), rule.limit(alpha), arms.e_c.shape[1])
            # A rule without a declared error rate does the same at each.
            for same in (alpha,) if rule.declared else ALPHAS:
                yield (same, name), Outcome(look, never)


def _build_row(cell: RollbackCell, alpha: float, rule: str, share: float, refused: float) -> Row:
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
    """Return the shipped engine's cells above alpha, and quiet scenarios above QUIET_BAR."""
    ours = [row for row in rows if row["rule"] == SHIPPED]
    messages = [
        f"false rollback {row['false_rollback']:.3f} +- {row['error']:.3f} at alpha {row['alpha']}:"
        f" {row['scenario']}, {row['rate']:g} rps, base {row['base']:.1%}"
        for row in ours
        if above(row["false_rollback"], row["alpha"], row["runs"])
    ]
    for scenario in QUIET:
        quiet = [r for r in ours if r["scenario"] == scenario and r["alpha"] == min(ALPHAS)]
        share, runs = np.mean([r["false_rollback"] for r in quiet]), sum(r["runs"] for r in quiet)
        if above(float(share), QUIET_BAR, runs):
            messages.append(f"false rollback {share:.4f} at alpha .01 over all {scenario} cells")
    return messages
