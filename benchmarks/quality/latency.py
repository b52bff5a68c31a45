"""Block 7: latencies, the bucket test against a latency threshold and a judge of medians.

Tolerance 10 %, alpha .01, weight 50 %. Flagger's rule has its documented limit of 500 ms for the
99th percentile of the last minute (stable's is 404 ms); Kayenta's judges per-minute 99th
percentiles. The ratio test judges the share beyond stable's .9 quantile, the one boundary that an
SLO would have.
"""

from __future__ import annotations

import math
from itertools import product
from typing import Literal, NamedTuple

import numpy as np

from analysis import fleet_shapes
from analysis.histograms.alternatives import HistogramTolerance
from benchmarks.peers import flagger, kayenta
from benchmarks.peers.rule import first, nth_worst, windows
from benchmarks.quality.engines import harm
from benchmarks.quality.runs import Row, above, chunks, each, error, seeded
from benchmarks.worlds.draws import Array, DrawnCounts
from benchmarks.worlds.latencies import EDGES, KNEE, BucketsModel, Shapes
from benchmarks.worlds.rates import Streams

Scenario = Literal["iid", "incidents"]
SCENARIOS: tuple[Scenario, ...] = ("iid", "incidents")
RATES, ALPHA, TOLERANCE, THRESHOLD = (2.0, 20.0), 0.01, 0.1, 0.5
EFFECTS = {
    "none": (1.0, 1.0),
    "+2 %": (1.02, 1.0),
    "+10 %": (1.1, 1.0),
    "x 1.2": (1.2, 1.0),
    "x 1.5": (1.5, 1.0),
    "tail x 1.2": (1.0, 1.2),
    "tail x 1.5": (1.0, 1.5),
}
HARMLESS = ("none", "+2 %", "+10 %")


class LatencyCell(NamedTuple):
    """One service and effect."""

    scenario: Scenario
    rate: float
    effect: str
    rollouts: int
    seed: int


def run(rollouts: int, seed: int) -> list[Row]:
    """Measure a row for each scenario, rate, effect and rule."""
    cells = [
        LatencyCell(*setting, rollouts, seed) for setting in product(SCENARIOS, RATES, EFFECTS)
    ]
    return each("latency", _cell, cells)


def _cell(cell: LatencyCell) -> list[Row]:
    factor, tail = EFFECTS[cell.effect]
    world = BucketsModel(cell.scenario, cell.rate, factor=factor, tail=tail)
    rng = seeded(cell.seed, "latency", cell[:3])
    parts = [_rollback_looks(world.streams(rng, size)) for size in chunks(cell.rollouts)]
    looks = {name: np.concatenate([chunk[name] for chunk in parts]) for name in parts[0]}
    return [_build_row(cell, name, at) for name, at in looks.items()]


def _build_row(cell: LatencyCell, rule: str, looks: DrawnCounts) -> Row:
    share = float((looks > 0).mean())
    return {
        "scenario": cell.scenario,
        "rate": cell.rate,
        "effect": cell.effect,
        "alpha": ALPHA,
        "rule": rule,
        "runs": cell.rollouts,
        "rolled_back": share,
        "error": error(share, cell.rollouts),
        "look": float(np.quantile(np.where(looks > 0, looks, math.inf), 0.5, method="higher")),
    }


def _rollback_looks(shapes: Shapes) -> dict[str, DrawnCounts]:
    """Return the look of each rollout's rollback, by rule."""
    total, bar = shapes.canary.shape[1], -math.log(ALPHA)
    slow = [percentile(arm, 0.99) for arm in shapes[:2]]
    threshold = nth_worst(np.where(np.isnan(slow[0]), np.inf, slow[0]), flagger.THRESHOLD)
    judge = _judge(*(np.nan_to_num(points) for points in slow))
    return {
        "H": first(histogram(shapes) >= bar),
        "R at one edge": first(harm(beyond(shapes, KNEE)) >= bar),
        "Flagger": flagger.RULE.rolled_back(threshold, THRESHOLD, total),
        "Kayenta": kayenta.RULE.rolled_back(judge, kayenta.width(), total),
    }


def histogram(shapes: Shapes, tolerance: float = TOLERANCE) -> Array:
    """Return the bucket test's log e-process after each look: (rollouts, looks)."""
    rule = HistogramTolerance(tolerance, relative=True, worse="high")
    fleet = fleet_shapes.start(rule, EDGES, len(shapes.past))
    fleet_shapes.learn(fleet, shapes.past)
    path = []
    for look in range(shapes.canary.shape[1]):
        fleet_shapes.look(fleet, shapes.canary[:, look], shapes.stable[:, look])
        path.append(fleet_shapes.log_harm(fleet))
    return np.stack(path, axis=-1)


def beyond(shapes: Shapes, level: float) -> Streams:
    """Return a rate: units slower than the edge nearest to a quantile of stable's past."""
    share = shapes.past.sum(axis=0).cumsum() / max(shapes.past.sum(), 1)
    edge = int(np.abs(share - level).argmin())
    counts = [
        count
        for arm in shapes[:2]
        for count in (arm.sum(axis=-1), arm[..., edge + 1 :].sum(axis=-1))
    ]
    return Streams(*counts)


def percentile(buckets: DrawnCounts, level: float) -> Array:
    """Return a quantile of each minute, linear within its bucket, as `histogram_quantile` does.

    Maps (rollouts, looks, K) to (rollouts, minutes); NaN without units.
    """
    counts = windows(np.moveaxis(buckets, 1, -1), kayenta.MINUTE, kayenta.MINUTE)
    below = np.moveaxis(counts, 1, -1).cumsum(axis=-1)
    rank = level * below[..., -1:]
    at = (below < rank).sum(axis=-1, keepdims=True)
    low = np.where(at > 0, np.take_along_axis(below, np.maximum(at - 1, 0), -1), 0)
    inside = np.maximum(np.take_along_axis(below, at, -1) - low, 1)
    edges = np.array([0.0, *EDGES[:-1], EDGES[-2]])
    value = edges[at] + (edges[at + 1] - edges[at]) * (rank - low) / inside
    return np.asarray(np.where(rank > 0, value, np.nan)[..., 0])


def _judge(canary: Array, stable: Array) -> Array:
    """Return Kayenta's height at each judgement of the points so far."""
    ends = range(kayenta.PERIOD, canary.shape[-1] + 1, kayenta.PERIOD)
    return np.stack([kayenta.height(canary[:, :e], stable[:, :e]) for e in ends], axis=-1)


def misses(rows: list[Row]) -> list[str]:
    """Return the harmless effects that the bucket test rolls back more often than alpha."""
    return [
        f"latency: false rollback {row['rolled_back']:.3f} +- {row['error']:.3f} at alpha {ALPHA}: "
        f"{row['scenario']}, {row['rate']:g} rps, {row['effect']}"
        for row in rows
        if row["rule"] == "H"
        and row["effect"] in HARMLESS
        and above(row["rolled_back"], ALPHA, row["runs"])
    ]
