"""Block 8: the tests of a plan that declares nothing else, in every scenario.

They are that by totals and, where a label tells pods apart, that by pods. A row is a scenario. A
cell is a scenario, rate, base, weight and pods. It is missed where its excess over the declared
rate is significant at 5 % after Holm over the cells of its row, and a row where the mean of its
cells is above the declared rate. Power is measured at 20 requests/s, 1 %, weight 50 % and 2 canary
pods beside 8.
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
from benchmarks.quality.engines import (
    DEFAULT,
    DEFAULT_PROOF,
    ENGINES,
    PROOFS,
    SHIPPED,
    SHIPPED_PROOF,
    learnt_totals,
)
from benchmarks.quality.layout import grouped
from benchmarks.quality.runs import Row, chunks, each, error, seeded
from benchmarks.worlds import paths
from benchmarks.worlds.draws import Array, DrawnCounts
from benchmarks.worlds.rates import HARD, RAMP, SCENARIOS, CountsModel, Hard, Scenario

RATES, BASES = (0.2, 20.0, 500.0), (0.001, 0.01, 0.05)
PODS = ((2, 8), (1, 9))
ALPHAS, BETA, LEVEL = (0.05, 0.01), 0.05, 0.05
DECLARED = {**{f"false_rollback_{alpha}": alpha for alpha in ALPHAS}, "false_promotion": BETA}
"""The share of each kind of wrong decision that is declared."""

LOOKS = 240

Weight = float | Literal["ramp"]
WEIGHTS: tuple[Weight, ...] = (0.5, 0.1, "ramp")

Test = Literal["totals", "label"]
TESTS: dict[Test, tuple[str, str]] = {
    "totals": (DEFAULT, DEFAULT_PROOF),
    "label": (SHIPPED, SHIPPED_PROOF),
}
"""Engine and proof without a label of pods, and with one."""

SHOWN = ("calmer", "pods-.1", "pods-.3")
"""Rows without a bar: their past does not show what the rollout meets."""

_SHOWN_BY_LABEL = ("calmer",)
_ALONE = ("pods-.1", "pods-.3")  # without a bar too where the canary has one pod

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
    return [_measure_test(cell, test) for test in TESTS]


def measure_rollbacks(cell: DefaultCell, test: Test) -> dict[str, float]:
    """Return the share of false rollbacks at each of ALPHAS."""
    top = _follow_harm(cell, _make_twin(cell), test).max(axis=1)
    return {f"false_rollback_{a}": float((top >= -np.log(a)).mean()) for a in ALPHAS}


def measure_promotions(cell: DefaultCell, test: Test) -> dict[str, float]:
    """Return the share of false promotions, the larger of two margins."""
    twin, margins = _make_twin(cell), ((1.0, cell.base / 2), (1.5, 0.0))
    promoted = [_prove(cell, twin, margin, test, at_margin=True) for margin in margins]
    return {"false_promotion": max(float((looks > 0).mean()) for looks in promoted)}


def _make_twin(cell: DefaultCell) -> CountsModel:
    weight = tuple(np.repeat(RAMP, LOOKS // len(RAMP))) if cell.weight == "ramp" else cell.weight
    return CountsModel(
        cell.scenario,
        cell.rate,
        cell.base,
        weight=weight,
        pods_canary=cell.pods[0],
        pods_stable=cell.pods[1],
    )


def _measure_test(cell: DefaultCell, test: Test) -> Row:
    twin = _make_twin(cell)
    row: dict[str, Any] = {
        **dict(zip(DefaultCell._fields, cell, strict=True)),
        "test": test,
        "runs": cell.rollouts,
        **measure_rollbacks(cell, test),
        **measure_promotions(cell, test),
    }
    if cell[1:5] == _AT:
        harmed = [_follow_harm(cell, replace(twin, theta=theta), test) for theta in (2.0, 5.0)]
        rollbacks = [first(log >= -np.log(ALPHAS[-1])) for log in harmed]
        looks = [*rollbacks, _prove(cell, twin, (1.0, cell.base / 2), test, at_margin=False)]
        for name, at in zip(("2x", "5x", "safe"), looks, strict=True):
            row |= {f"{name} looks": _find_median(at), f"{name} share": float((at > 0).mean())}
        worlds = {"harmless": twin, "5x": replace(twin, theta=5.0)} if test == "totals" else {}
        for name, world in worlds.items():
            at = _find_suspicion(cell, world)
            row |= {
                f"{name} suspected looks": _find_median(at),
                f"{name} suspected share": float((at > 0).mean()),
            }
    return row


def _follow_harm(cell: DefaultCell, world: CountsModel, test: Test) -> Array:
    """Return the log of the evidence of harm after each look: (rollouts, looks)."""
    rng, past = (seeded(cell.seed, "default", cell[:5], world.theta, purpose) for purpose in "ab")
    engine = ENGINES[TESTS[test][0]]
    traces = [
        engine(world.streams(rng, size), partial(world.history, past, size))
        for size in chunks(cell.rollouts)
    ]
    return np.concatenate([np.where(trace.refused[:, None], 0, trace.log) for trace in traces])


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
    cell: DefaultCell,
    twin: CountsModel,
    margin: tuple[float, float],
    test: Test,
    *,
    at_margin: bool,
) -> DrawnCounts:
    """Return the look of the proof in each rollout, of a twin or a canary at its margin."""
    ratio, absolute = margin
    world = replace(twin, theta=ratio, excess=absolute) if at_margin else twin
    rng, past = (
        seeded(cell.seed, "proof", cell[:5], ratio, at_margin, purpose) for purpose in "ab"
    )
    return np.concatenate([
        PROOFS[TESTS[test][1]](
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
    messages = []
    for (test, scenario), own in grouped(rows, "test", "scenario"):
        group = [row for row in own if not is_shown(row)]
        if not group:
            continue
        for key in DECLARED:
            bar = find_bar(str(scenario), key)
            name = f"{key.replace('_', ' ')} by {test}: {scenario}"
            mean, runs = float(np.mean([r[key] for r in group])), sum(r["runs"] for r in group)
            if mean > bar:
                messages.append(f"mean {mean:.4f} +- {error(mean, runs):.4f}, {name}")
            messages += [
                f"{row[key]:.3f} +- {error(row[key], row['runs']):.3f}, {name}, {describe(row)}"
                for row in find_significant(group, key, bar)
            ]
    return messages


def find_bar(scenario: str, key: str) -> float:
    """Return the largest share of a key of DECLARED that a scenario may have."""
    return _ALLOWED.get((scenario, DECLARED[key]), DECLARED[key])


def is_shown(row: Row) -> bool:
    """Return whether a row is shown without a bar."""
    if row["test"] == "totals":
        return row["scenario"] in SHOWN
    is_alone = row.get("pods", PODS[0])[0] == 1 and row["scenario"] in _ALONE
    return is_alone or row["scenario"] in _SHOWN_BY_LABEL


def find_tail(row: Row, key: str, bar: float) -> float:
    """Return the probability of so many wrong decisions or more, were their rate the bar."""
    from scipy.stats import binom

    return float(binom.sf(round(row[key] * row["runs"]) - 1, row["runs"], bar))


def describe(row: Row) -> str:
    where = f"{row['rate']:g} rps"
    if "margin" in row:
        base, ratio, absolute = row["margin"]
        return f"{where}, base {base:.2%}, margin {ratio} + {absolute:.1%} {row['way']}"
    return f"{where}, base {row['base']:.1%}, weight {row['weight']}, pods {row['pods']}"


def find_significant(rows: list[Row], key: str, bar: float) -> list[Row]:
    """Return the rows whose share is above the bar, significant at LEVEL after Holm.

    Source: Holm, Scandinavian Journal of Statistics 6 (1979), 65-70.
    """
    tails = [(find_tail(row, key, bar), row) for row in rows]
    above: list[Row] = []
    for i, (tail, row) in enumerate(sorted(tails, key=lambda pair: pair[0])):
        if tail > LEVEL / (len(rows) - i):
            break
        above.append(row)
    return above
