"""Block 8: the test of a plan that declares nothing else, in every scenario.

A row is a scenario. A cell is a scenario, rate, base, weight and pods. It is missed where its
excess over the declared rate is significant at 5 % after Holm over the cells of its row, and a row
where the mean of its cells is above the declared rate. Power is measured at 20 requests/s, 1 %,
weight 50 % and 2 canary pods beside 8.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from itertools import product
from typing import Any, Literal, NamedTuple

import numpy as np

from analysis.rates.limit import SUSPICION
from analysis.rates.robust_test import ArmCounts
from benchmarks.peers.rule import first
from benchmarks.quality.engines import DEFAULT, DEFAULT_PROOF, ENGINES, PROOFS, learnt_totals
from benchmarks.quality.layout import grouped, number, table
from benchmarks.quality.runs import Row, chunks, each, error, seeded
from benchmarks.worlds import paths
from benchmarks.worlds.draws import Array, DrawnCounts
from benchmarks.worlds.rates import HARD, RAMP, SCENARIOS, CountsModel, Hard, Scenario

RATES, BASES = (0.2, 20.0, 500.0), (0.001, 0.01, 0.05)
PODS = ((2, 8), (1, 9))
ALPHAS, BETA, LEVEL = (0.05, 0.01), 0.05, 0.05
LOOKS = 240

Weight = float | Literal["ramp"]
WEIGHTS: tuple[Weight, ...] = (0.5, 0.1, "ramp")

SHOWN = ("calmer", "pods-.1", "pods-.3")
"""Rows without a bar: their past does not show what the rollout meets."""

_ALLOWED = {("ar1-.8", 0.01): 0.02, ("ar1-.4", 0.01): 0.02}
_AT = (20.0, 0.01, 0.5, (2, 8))  # where power is measured


class DefaultCell(NamedTuple):
    """One world of the default test."""

    scenario: Scenario | Hard
    rate: float
    base: float
    weight: Weight
    pods: tuple[int, int]
    rollouts: int
    seed: int


def run(rollouts: int, seed: int, *, whole: bool) -> list[Row]:
    """Measure a row for each world; unless `whole`, only at weight 50 % and 2 + 8 pods."""
    weights, pods = (WEIGHTS, PODS) if whole else (WEIGHTS[:1], PODS[:1])
    cells = [
        DefaultCell(scenario, rate, base, weight, count, rollouts, seed)
        for scenario in (*SCENARIOS, *HARD)
        for rate, base, weight, count in product(RATES, BASES, weights, pods)
    ]
    return each("default", _measure, cells)


def _measure(cell: DefaultCell) -> list[Row]:
    weight = tuple(np.repeat(RAMP, LOOKS // len(RAMP))) if cell.weight == "ramp" else cell.weight
    twin = CountsModel(
        cell.scenario,
        cell.rate,
        cell.base,
        weight=weight,
        pods_canary=cell.pods[0],
        pods_stable=cell.pods[1],
    )
    top = _follow_harm(cell, twin).max(axis=1)
    margins = ((1.0, cell.base / 2), (1.5, 0.0))
    promoted = [_prove(cell, twin, *margin, at_margin=True) for margin in margins]
    row: dict[str, Any] = {
        **dict(zip(DefaultCell._fields, cell, strict=True)),
        "runs": cell.rollouts,
        **{f"false_rollback_{a}": float((top >= -np.log(a)).mean()) for a in ALPHAS},
        "false_promotion": max(float((looks > 0).mean()) for looks in promoted),
    }
    if cell[1:5] == _AT:
        harmed = [_follow_harm(cell, replace(twin, theta=theta)) for theta in (2.0, 5.0)]
        rollbacks = [first(log >= -np.log(ALPHAS[-1])) for log in harmed]
        looks = [*rollbacks, _prove(cell, twin, *margins[0], at_margin=False)]
        for name, at in zip(("2x", "5x", "safe"), looks, strict=True):
            row |= {f"{name} looks": _find_median(at), f"{name} share": float((at > 0).mean())}
        for name, world in (("harmless", twin), ("5x", replace(twin, theta=5.0))):
            at = _find_suspicion(cell, world)
            row |= {
                f"{name} suspected looks": _find_median(at),
                f"{name} suspected share": float((at > 0).mean()),
            }
    return [row]


def _follow_harm(cell: DefaultCell, world: CountsModel) -> Array:
    """Return the log of the evidence of harm after each look: (rollouts, looks)."""
    rng, past = (seeded(cell.seed, "default", cell[:5], world.theta, purpose) for purpose in "ab")
    return np.concatenate([
        ENGINES[DEFAULT](world.streams(rng, size), partial(world.history, past, size)).log
        for size in chunks(cell.rollouts)
    ])  # fmt: skip


def _find_suspicion(cell: DefaultCell, world: CountsModel) -> DrawnCounts:
    """Return the look (from 1) of the first suspicion at .01 in each rollout, 0 for none."""
    rng, past = (seeded(cell.seed, "suspicion", cell[:5], world.theta, purpose) for purpose in "ab")
    looks = []
    for size in chunks(cell.rollouts):
        arms = world.streams(rng, size).arms()
        counts = ArmCounts(arms.e_c, arms.e_s, arms.x_c, arms.x_s)
        rises = paths.rises(learnt_totals(partial(world.history, past, size)), counts)
        looks.append(first(rises >= np.log(SUSPICION / ALPHAS[-1])))
    return np.concatenate(looks)


def _prove(
    cell: DefaultCell, twin: CountsModel, ratio: float, absolute: float, *, at_margin: bool
) -> DrawnCounts:
    """Return the look of the proof in each rollout, of a twin or a canary at its margin."""
    world = replace(twin, theta=ratio, excess=absolute) if at_margin else twin
    rng, past = (
        seeded(cell.seed, "proof", cell[:5], ratio, at_margin, purpose) for purpose in "ab"
    )
    return np.concatenate([
        PROOFS[DEFAULT_PROOF](
            world.streams(rng, size),
            partial(twin.history, past, size),
            np.full(size, ratio), np.full(size, absolute), BETA,
        ).proven
        for size in chunks(cell.rollouts)
    ])  # fmt: skip


def _find_median(looks: DrawnCounts) -> float:
    """Return the median look, infinite where fewer than half have one."""
    return float(np.median(np.where(looks > 0, looks, np.inf)))


def misses(rows: list[Row]) -> list[str]:
    """Return the cells and rows above the declared rates."""
    rates = [(f"false_rollback_{alpha}", alpha) for alpha in ALPHAS]
    messages = []
    for (scenario,), group in grouped(rows, "scenario"):
        if scenario in SHOWN:
            continue
        for key, declared in [*rates, ("false_promotion", BETA)]:
            bar = _ALLOWED.get((str(scenario), declared), declared)
            name = f"{key.replace('_', ' ')}: {scenario}"
            mean, runs = float(np.mean([r[key] for r in group])), sum(r["runs"] for r in group)
            if mean > bar:
                messages.append(f"mean {mean:.4f} +- {error(mean, runs):.4f}, {name}")
            messages += [
                f"{row[key]:.3f} +- {error(row[key], row['runs']):.3f}, {name}, {_describe(row)}"
                for row in find_significant(group, key, bar)
            ]
    return messages


def _describe(row: Row) -> str:
    where = f"{row['rate']:g} rps"
    if "margin" in row:
        base, ratio, absolute = row["margin"]
        return f"{where}, base {base:.2%}, margin {ratio} + {absolute:.1%} {row['way']}"
    return f"{where}, base {row['base']:.1%}, weight {row['weight']}, pods {row['pods']}"


def find_significant(rows: list[Row], key: str, bar: float) -> list[Row]:
    """Return the rows whose share is above the bar, significant at LEVEL after Holm.

    Source: Holm, Scandinavian Journal of Statistics 6 (1979), 65-70.
    """
    from scipy.stats import binom

    def tail(row: Row) -> float:
        return float(binom.sf(round(row[key] * row["runs"]) - 1, row["runs"], bar))

    above: list[Row] = []
    for i, row in enumerate(sorted(rows, key=tail)):
        if tail(row) > LEVEL / (len(rows) - i):
            break
        above.append(row)
    return above


def of_default(rows: list[Row]) -> str:
    """Format the worst and the mean cell of each scenario, and the power."""
    body = []
    for (scenario,), group in grouped(rows, "scenario"):
        shares = [
            f"{max(row[key] for row in group):.3f} / {np.mean([row[key] for row in group]):.3f}"
            for key in (*(f"false_rollback_{alpha}" for alpha in ALPHAS), "false_promotion")
        ]
        at = next(row for row in group if "2x looks" in row)
        power = [
            f"{number(at[f'{n} looks'])} ({at[f'{n} share']:.2f})" for n in ("2x", "5x", "safe")
        ]
        suspected = (
            f"{at['harmless suspected share']:.2f}; 5x {number(at['5x suspected looks'])}"
            if at["5x suspected share"]
            else "-"
        )
        body.append([scenario, *shares, *power, suspected])
    runs = rows[0]["runs"]
    return table(
        f"8. The default test, 240 looks: worst / mean cell ({runs} runs a cell, s.e. "
        f"{error(0.05, runs):.3f} at .05, {error(0.01, runs):.3f} at .01); looks, share found",
        [
            "scenario",
            "rollback .05",
            "rollback .01",
            "promotion .05",
            "2x",
            "5x",
            "safe",
            "suspected",
        ],
        body,
    )
