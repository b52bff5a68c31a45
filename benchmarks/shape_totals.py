"""What a histogram without known pods does, in every scenario of the default test.

The production test of latencies (tolerance 10 %, 20 requests/s, half of the traffic, 2 pods beside
8) learns from stable's totals of 24 h, look by look. A canary exactly at the tolerance is rolled
back in at most alpha of the rollouts, and promoted in at most beta; beside that when a canary with
twice the slow requests (1.3 times as slow) is rolled back, and a twin proven safe. What varies is
the pods' speed: a pod that has twice the errors elsewhere is a tenth or a half slower here.

Prints a row per scenario; exits 1 where a share is above the declared one by more than chance.
"""

from __future__ import annotations

import argparse
import math
import sys
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from analysis.counting.counts import Counts
from analysis.dispersion.dispersion import Dispersion
from analysis.dispersion.histogram import estimate_shape_totals
from analysis.histograms.alternatives import HistogramTolerance
from analysis.log_arrays import Array
from analysis.verdict.histogram_test import HistogramTest
from benchmarks.quality.runs import above, each, seeded
from benchmarks.worlds.draws import DrawnCounts, autoregressive, spells
from benchmarks.worlds.latencies import MEDIAN, SD
from benchmarks.worlds.rates import RAMP

Scenario = Literal[
    "iid", "incidents", "ramp", "skew", "clusters-3", "clusters-10", "retries", "brief-.1",
    "brief-.3", "bursts", "ar1-.1", "ar1-.2", "swing", "drift", "scaled", "rougher", "calmer",
    "pods-.03", "pods-.1",
]  # fmt: skip
SHOWN = ("calmer", "pods-.03", "pods-.1")
EDGES = (*(round(0.02 * 1.1**i, 6) for i in range(40)), math.inf)
ALPHAS, BETA, TOLERANCE = (0.05, 0.01), 0.05, 0.1
WORLDS = {"at": 1.1, "2x": 1.3, "twin": 1.0}
RATE, TICK, LOOKS, DAY = 20.0, 30.0, 240, 2880
_SLOW = 1.5  # times as slow in a spell
_PAST = {"rougher": "brief-.3", "calmer": "iid"}
_PRESENT = {"rougher": "iid", "calmer": "ar1-.2"}


@dataclass(frozen=True)
class ShapeCell:
    """One scenario."""

    scenario: str
    runs: int
    seed: int


def draw_speeds(rng: np.random.Generator, scenario: str, looks: int, pods: int) -> Array:
    """Draw the log of how slow each pod is in each look: (looks, pods)."""
    shape, alike, zeros = (1, looks, pods), (1, looks, 1), np.zeros((looks, pods))
    kind, _, size = scenario.partition("-")
    speeds: Array = zeros
    if kind in {"incidents", "ramp", "skew"}:
        speeds = np.where(spells(rng, alike, 8)[0], math.log(_SLOW), zeros)
    elif kind == "bursts":
        speeds = np.where(spells(rng, shape, 3)[0], math.log(_SLOW), zeros)
    elif kind in {"brief", "scaled"}:
        speeds = rng.normal(0, float(size or 0.1), (looks, pods))
    elif kind == "ar1":
        speeds = autoregressive(rng, shape, float(size), math.exp(-TICK / 300))[0]
    elif kind == "swing":
        speeds = zeros + 0.2 * np.sin(2 * np.pi * np.arange(looks) * TICK / 86400)[:, None]
    elif kind == "drift":
        speeds = zeros + autoregressive(rng, alike, 0.2, math.exp(-TICK / 7200))[0]
    elif kind == "pods":
        speeds = zeros + rng.normal(0, float(size), pods)
    return speeds


def draw_buckets(
    rng: np.random.Generator, scenario: str, units: DrawnCounts, speeds: Array
) -> DrawnCounts:
    """Draw units per bucket, summed over pods: units and speeds (looks, pods) -> (looks, K)."""
    from scipy.special import ndtr

    at = np.log(np.array(EDGES[:-1]) / MEDIAN)
    shares = np.diff(ndtr((at - speeds[..., None]) / SD), axis=-1, prepend=0.0, append=1.0)
    if scenario == "retries" or scenario.startswith("clusters"):
        # Requests of one cluster are alike: they wait for the same thing.
        largest = int(scenario.partition("-")[2] or 9)
        clusters = rng.multinomial(rng.poisson(units * 2 / (largest + 1)), shares).sum(axis=1)
        sizes = rng.integers(1, largest + 1, int(clusters.sum()))
        owner = np.repeat(np.arange(clusters.size), clusters.ravel())
        return (
            np.bincount(owner, weights=sizes, minlength=clusters.size)
            .astype(int)
            .reshape(clusters.shape)
        )
    drawn = rng.multinomial(units, shares)
    if scenario != "skew":
        return np.asarray(drawn.sum(axis=1))
    later = rng.binomial(drawn, rng.uniform(0, 1, (1, units.shape[1], 1)))
    on_time = (drawn - later).sum(axis=1)
    on_time[1:] += later[:-1].sum(axis=1)
    return np.asarray(on_time)


def draw_arms(
    rng: np.random.Generator, scenario: str, factor: float
) -> tuple[DrawnCounts, DrawnCounts]:
    """Draw a rollout's canary and stable, each (looks, K)."""
    weight = np.repeat(RAMP, LOOKS // len(RAMP)) if scenario == "ramp" else np.full(LOOKS, 0.5)
    speeds = draw_speeds(rng, scenario, LOOKS, 10)
    expected = RATE * TICK * np.hstack([
        np.tile(weight[:, None] / 2, 2), np.tile((1 - weight)[:, None] / 8, 8)
    ])  # fmt: skip
    units = rng.poisson(expected)
    canary = draw_buckets(rng, scenario, units[:, :2], speeds[:, :2] + math.log(factor))
    return canary, draw_buckets(rng, scenario, units[:, 2:], speeds[:, 2:])


def learn_past(rng: np.random.Generator, scenario: str) -> tuple[Dispersion, DrawnCounts]:
    """Draw a day of stable, and learn its dispersion from it; the last looks are its past."""
    pods = 12 if scenario == "scaled" else 8
    alive = np.full((DAY, 1), 8)
    if scenario == "scaled":
        alive = np.rint(8 + 4 * np.sin(4 * np.pi * np.arange(DAY) / DAY))[:, None]
    units = rng.poisson(np.where(np.arange(pods) < alive, RATE * TICK / alive, 0.0))
    past = draw_buckets(rng, scenario, units, draw_speeds(rng, scenario, DAY, pods))
    return estimate_shape_totals(past, "high"), past[-20:].sum(axis=0)


def follow(test: HistogramTest, canary: DrawnCounts, stable: DrawnCounts) -> tuple[Array, Array]:
    """Return the logs of harm and of safety after each look."""
    logs = []
    for own, other in zip(canary.tolist(), stable.tolist(), strict=True):
        test = test.update(Counts(tuple(own), tuple(other), EDGES))
        logs.append((test.logs.harm, test.logs.safe))
    harm, safe = np.array(logs).T
    return harm, safe


def measure(cell: ShapeCell) -> list[dict[str, object]]:
    """Measure one scenario."""
    rng = seeded(cell.seed, "shape totals", cell.scenario)
    before, after = (own.get(cell.scenario, cell.scenario) for own in (_PAST, _PRESENT))
    top, proven = [], []
    looks: dict[str, list[float]] = {"2x": [], "twin": []}
    for _ in range(cell.runs):
        dispersion, past = learn_past(rng, before)
        rule = HistogramTolerance(TOLERANCE, relative=True, worse="high", dispersion=dispersion)
        test = HistogramTest(rule).learn(Counts((0,) * len(EDGES), tuple(past.tolist()), EDGES))
        for name, factor in WORLDS.items():
            harm, safe = follow(test, *draw_arms(rng, after, factor))
            if name == "at":
                top.append(harm.max())
                proven.append(safe.max())
                continue
            is_over = harm >= -math.log(ALPHAS[-1]) if name == "2x" else safe >= -math.log(BETA)
            looks[name].append(float(is_over.argmax() + 1) if is_over.any() else math.inf)
    return [{
        "scenario": cell.scenario,
        "runs": cell.runs,
        **{f"rollback {a}": float((np.array(top) >= -math.log(a)).mean()) for a in ALPHAS},
        "promotion": float((np.array(proven) >= -math.log(BETA)).mean()),
        **{name: float(np.median(own)) for name, own in looks.items()},
        **{f"{name} share": float(np.isfinite(own).mean()) for name, own in looks.items()},
    }]  # fmt: skip


def main() -> int:
    """Print a row per scenario; return 1 where one is above what is declared."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--runs", type=int, default=40)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", default="", help="names of scenarios, with commas")
    args = parser.parse_args()
    names = args.only.split(",") if args.only else get_args(Scenario)
    rows = each("shapes", measure, [ShapeCell(name, args.runs, args.seed) for name in names])
    is_missed = False
    print("scenario    rollback .05   .01  promotion   2x looks (share)   twin safe (share)")
    for row in rows:
        keys = [(f"rollback {a}", a) for a in ALPHAS] + [("promotion", BETA)]
        rates = [row[key] for key, _ in keys]
        misses = row["scenario"] not in SHOWN and any(
            above(row[key], bar, args.runs) for key, bar in keys
        )
        is_missed |= misses
        print(
            f"{row['scenario']:12s}" + "".join(f"{rate:8.3f}" for rate in rates)
            + "".join(f"{row[key]:10.0f} ({row[key + ' share']:.2f})" for key in ("2x", "twin"))
            + (" MISSED" if misses else "")
        )  # fmt: skip
    return int(is_missed)


if __name__ == "__main__":
    sys.exit(main())
