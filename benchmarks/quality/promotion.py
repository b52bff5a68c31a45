"""Block 4: false promotion of a canary exactly at its margin, and time to prove a twin safe.

A twin is a canary that behaves as stable does. Margins: half the base rate on top (ratio 1), or
ratio 1.5 and nothing on top. Twins are proven over small looks (see `detection`).
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import product
from typing import Literal, NamedTuple

import numpy as np

from analysis.information import needed, rate_divergence
from benchmarks.quality.detection import requests
from benchmarks.quality.engines import INDEPENDENT_PROOF, PROOFS, SHIPPED_PROOF, Promise
from benchmarks.quality.runs import SIGMAS, Row, above, chunks, each, error, seeded
from benchmarks.quality.together import Worlds, groups
from benchmarks.worlds.draws import DrawnCounts
from benchmarks.worlds.rates import SCENARIOS, CountsModel, Scenario, Streams

RATES, BASES, WEIGHTS, BETA = (0.2, 20.0, 500.0), (0.001, 0.01, 0.05), (0.5, 0.1), 0.05
BAR = 1.4
FINE, LEAST, LONGEST = 50, 8, 6

Margin = Literal["+ base/2", "x 1.5"]
MARGINS: tuple[Margin, ...] = ("+ base/2", "x 1.5")


class PromotionCell(NamedTuple):
    """One world and margin."""

    scenario: Scenario
    rate: float
    base: float
    margin: Margin
    rollouts: int
    seed: int


class Proof(NamedTuple):
    """One margin to be proven at a weight."""

    base: float
    margin: Margin
    weight: float
    rollouts: int
    seed: int


def run(rollouts: int, seed: int) -> tuple[list[Row], list[Row]]:
    """Measure the rows of false promotions, and of times to prove safety."""
    worlds = product(SCENARIOS, RATES, BASES, MARGINS)
    cells = [PromotionCell(*world, rollouts, seed) for world in worlds]
    false = each("false promotion", _false, groups(cells, rollouts))
    proofs = [Proof(*setting, rollouts, seed) for setting in product(BASES, MARGINS, WEIGHTS)]
    return false, each("time to prove safety", _time, proofs)


def limits(margin: Margin, base: float) -> tuple[float, float]:
    """Return the margin's ratio and absolute part."""
    return (1.0, base / 2) if margin == "+ base/2" else (1.5, 0.0)


def _play(
    worlds: Worlds, margins: Sequence[tuple[float, float]]
) -> Iterator[tuple[str, Streams, Promise]]:
    """Run every proof on the same streams, each world with its own margin."""
    streams = worlds.streams()
    ratio, absolute = np.repeat(margins, worlds.size, axis=0).T
    for name, proof in PROOFS.items():
        yield name, streams.arms(), proof(streams, worlds.history, ratio, absolute, BETA)


def _false(cells: Sequence[PromotionCell]) -> list[Row]:
    margins = [limits(cell.margin, cell.base) for cell in cells]
    worlds = [
        CountsModel(cell.scenario, cell.rate, cell.base, theta=ratio, excess=absolute)
        for cell, (ratio, absolute) in zip(cells, margins, strict=True)
    ]
    dice = [seeded(cell.seed, "false promotion", cell[:4]) for cell in cells]
    promoted: list[Counter[str]] = [Counter() for _ in cells]
    refused: list[Counter[str]] = [Counter() for _ in cells]
    for size in chunks(cells[0].rollouts):
        together = Worlds(worlds, size, dice, dice)
        for name, _, promise in _play(together, margins):
            for i, count in enumerate(together.counts(promise.proven > 0)):
                promoted[i][name] += count
            for i, count in enumerate(together.counts(promise.refused)):
                refused[i][name] += count
    return [
        _build_row(cell, name, promoted[i][name] / cell.rollouts, refused[i][name] / cell.rollouts)
        for i, cell in enumerate(cells)
        for name in PROOFS
    ]


def _build_row(cell: PromotionCell, rule: str, promoted: float, refused: float) -> Row:
    return {
        "scenario": cell.scenario,
        "rate": cell.rate,
        "base": cell.base,
        "margin": cell.margin,
        "beta": BETA,
        "rule": rule,
        "runs": cell.rollouts,
        "false_promotion": promoted,
        "error": error(promoted, cell.rollouts),
        "refused": refused,
    }


def _time(proof: Proof) -> list[Row]:
    ratio, absolute = limits(proof.margin, proof.base)
    rho = proof.weight / (1 - proof.weight)
    bound = needed(rate_divergence(proof.base, proof.base, ratio, absolute, rho), BETA)
    look = max(bound / FINE, LEAST)
    world = CountsModel(rate=look / proof.weight / 30, base=proof.base, weight=proof.weight)
    world = replace(world, looks=math.ceil(LONGEST * bound / look))
    rng = seeded(proof.seed, "proof", proof[:3])
    parts: dict[str, list[DrawnCounts]] = {name: [] for name in PROOFS}
    for size in chunks(proof.rollouts):
        for name, arms, promise in _play(Worlds([world], size, [rng], [rng]), [(ratio, absolute)]):
            parts[name].append(requests(arms, promise.proven))
    sent = {name: np.concatenate(some) for name, some in parts.items()}
    return [
        {
            "base": proof.base,
            "margin": proof.margin,
            "weight": proof.weight,
            "beta": BETA,
            "rule": name,
            "runs": proof.rollouts,
            "bound": bound,
            "requests": float(counts.mean()),
            "over_bound": float(counts.mean() / bound),
            "error": float(counts.std() / bound / math.sqrt(proof.rollouts)),
        }
        for name, counts in sent.items()
    ]


def misses(false: list[Row], times: list[Row]) -> list[str]:
    """Return the cells where the shipped proof promotes too often or takes too long."""
    false = [row for row in false if row["rule"] == SHIPPED_PROOF]
    times = [row for row in times if row["rule"] == INDEPENDENT_PROOF]
    wrong = [
        f"false promotion {row['false_promotion']:.3f} +- {row['error']:.3f} at beta {BETA}: "
        f"{row['scenario']}, {row['rate']:g} rps, base {row['base']:.1%}, margin {row['margin']}"
        for row in false
        if above(row["false_promotion"], BETA, row["runs"])
    ]
    slow = [
        f"proof of safety {row['over_bound']:.2f} +- {row['error']:.2f} times the bound, bar {BAR}:"
        f" base {row['base']:.1%}, margin {row['margin']}, weight {row['weight']:.0%}"
        for row in times
        if row["over_bound"] > BAR + SIGMAS * row["error"]
    ]
    return wrong + slow
