"""Block 9: canaries exactly at an absolute margin, without a label and with one.

The margin's bad units are added to stable's, or, where pods have bad times, come with them: then
the canary's share is that of stable times a factor. A row is a scenario; misses are as in
`default`.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from itertools import product
from typing import Any, Literal, NamedTuple, get_args

import numpy as np

from analysis.rates.robust_test import ArmCounts
from benchmarks.peers.rule import first
from benchmarks.quality import default
from benchmarks.quality.engines import BRIEF, Past, learnt, learnt_totals, steady
from benchmarks.quality.layout import grouped, table
from benchmarks.quality.runs import Row, chunks, each, error, seeded
from benchmarks.worlds import paths
from benchmarks.worlds.draws import Array
from benchmarks.worlds.rates import HARD, SCENARIOS, CountsModel, Hard, Scenario, Streams

RATES = (1.0, 5.0, 20.0, 100.0)
MARGINS = (
    (0.0001, 1.0, 0.01),
    (0.001, 1.0, 0.01),
    (0.001, 1.25, 0.002),
    (0.01, 1.0, 0.005),
    (0.1, 1.0, 0.01),
    (0.3, 1.0, 0.01),
)
"""Base, ratio and absolute part; the last two are like shares of slow requests."""

Way = Literal["added", "multiplied"]
WAYS: tuple[Way, ...] = get_args(Way)

_TOGETHER = ("incidents", "ramp", "skew", "swing", "drift")
# What hits all pods alike would take a multiplied canary beyond its margin.


class MarginCell(NamedTuple):
    """One world at one margin."""

    scenario: Scenario | Hard
    rate: float
    margin: tuple[float, float, float]
    way: Way
    rollouts: int
    seed: int


def run(rollouts: int, seed: int) -> list[Row]:
    """Measure a row for each world, margin and test."""
    worlds = [name for name in (*SCENARIOS, *HARD) if name not in default.SHOWN]
    cells = [
        MarginCell(scenario, rate, margin, way, rollouts, seed)
        for scenario, rate, margin in product(worlds, RATES, MARGINS)
        for way in (WAYS[:1] if scenario in _TOGETHER else WAYS)
    ]
    return each("margins", _measure, cells)


def _measure(cell: MarginCell) -> list[Row]:
    base, ratio, absolute = cell.margin
    twin = CountsModel(cell.scenario, cell.rate, base)
    if cell.way == "added":
        canary = replace(twin, theta=ratio, excess=absolute)
    else:
        canary = replace(twin, theta=ratio + absolute / base)
    rng, past = (seeded(cell.seed, "margins", cell[:4], purpose) for purpose in "ab")
    outcomes = [
        _play(canary.streams(rng, size), partial(twin.history, past, size), cell.margin)
        for size in chunks(cell.rollouts)
    ]
    rows: list[Row] = []
    for test in default.TESTS:
        top, proven = (np.concatenate([chunk[test][i] for chunk in outcomes]) for i in range(2))
        row: dict[str, Any] = {
            **dict(zip(MarginCell._fields, cell, strict=True)),
            "test": test,
            "runs": cell.rollouts,
            **{f"false_rollback_{a}": float((top >= -np.log(a)).mean()) for a in default.ALPHAS},
            "false_promotion": float((proven > 0).mean()),
        }
        rows.append(row)
    return rows


def _play(
    streams: Streams, draw: Past, margin: tuple[float, float, float]
) -> dict[default.Test, tuple[Array, Array]]:
    """Return each test's highest log of harm, and the look of its proof, in each rollout."""
    (_, ratio, absolute), size = margin, len(streams.e_c)
    e, x = (counts.sum(axis=-1) for counts in draw(ticks=BRIEF))
    before = Streams(np.zeros_like(e), np.zeros_like(x), e, x)
    arms = streams.arms()
    counts = ArmCounts(arms.e_c, arms.e_s, arms.x_c, arms.x_s)
    outcomes: dict[default.Test, tuple[Array, Array]] = {}
    for test in default.TESTS:
        learned = learnt_totals(draw) if test == "totals" else learnt(streams, draw)
        logs = paths.robust_logs(learned, counts, ratio=ratio, absolute=absolute)
        proofs = steady(streams, learned, before, np.full(size, ratio), np.full(size, absolute))
        proven = first(proofs >= -np.log(default.BETA))
        is_tested = np.array([not dispersion.problem for dispersion in learned])
        outcomes[test] = (np.where(is_tested, logs.max(axis=1), 0.0), proven * is_tested)
    return outcomes


def misses(rows: list[Row]) -> list[str]:
    """Return the rows and cells above the declared rates."""
    return default.misses(rows)


def of_margins(rows: list[Row]) -> str:
    """Format the worst and the mean cell of each scenario."""
    keys = (*(f"false_rollback_{alpha}" for alpha in default.ALPHAS), "false_promotion")
    body = []
    for (scenario,), group in grouped(rows, "scenario"):
        shares = [
            f"{max(row[key] for row in own):.3f} / {np.mean([row[key] for row in own]):.3f}"
            for _, own in grouped(group, "test")
            for key in keys
        ]
        body.append([str(scenario), *shares])
    runs = rows[0]["runs"]
    head = ("rollback .05", "rollback .01", "promotion .05")
    return table(
        f"9. At an absolute margin, 240 looks: worst / mean cell ({runs} runs a cell, s.e. "
        f"{error(0.05, runs):.3f} at .05, {error(0.01, runs):.3f} at .01); by totals, by a label",
        ["scenario", *head, *(f"{name} (label)" for name in head)],
        body,
    )
