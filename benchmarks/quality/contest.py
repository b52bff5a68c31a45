"""Blocks 3 and 6: all rules on the same streams, with documented limits and with an oracle's.

The canary has a tenth of the traffic ("ramp" has its own weights).

An oracle's limit is chosen on harmless rollouts of the same world, so that the peer rolls back at
most alpha of them: the best that the rule can do for a user who knows the base rate and the noise.
Requests are the canary's until the rollback, medians over all rollouts of the cell. The SPRT that
knows the effect is measured too: it shows what a test can reach.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from itertools import product
from typing import NamedTuple

import numpy as np

from benchmarks.peers.rule import tuned
from benchmarks.quality.detection import clairvoyant
from benchmarks.quality.engines import ENGINES
from benchmarks.quality.rules import RULES
from benchmarks.quality.runs import Row, chunks, each, error, seeded
from benchmarks.worlds.draws import DrawnCounts
from benchmarks.worlds.rates import SCENARIOS, CountsModel, Scenario, Streams

RATES, BASES, THETAS = (0.2, 20.0, 500.0), (0.001, 0.01, 0.05), (2.0, 5.0)
WEIGHT = 0.1

KNOWN = 2000
"""Rollouts of the SPRT that knows the effect, on streams of its own so that its error is small."""

Looks = dict[tuple[str, str], DrawnCounts]
"""The look of each rollout's rollback, by rule and limit."""


class ContestCell(NamedTuple):
    """One world, at its declared alpha."""

    scenario: Scenario
    rate: float
    base: float
    thetas: tuple[float, ...]
    alpha: float
    rollouts: int
    seed: int


def independent(rollouts: int, seed: int) -> list[Row]:
    """Measure independent requests, alpha .01: a row per rate, base, effect, rule and limit."""
    cells = [
        ContestCell("iid", rate, base, THETAS, 0.01, rollouts, seed)
        for rate, base in product(RATES, BASES)
    ]
    return each("against peers", _cell, cells)


def dispersed(rollouts: int, seed: int) -> list[Row]:
    """Measure every scenario at base 1 %, twice the errors, alpha .05."""
    cells = [
        ContestCell(scenario, rate, 0.01, THETAS[:1], 0.05, rollouts, seed)
        for scenario, rate in product(SCENARIOS, RATES[1:])
    ]
    return each("power under dispersion", _cell, cells)


def _cell(cell: ContestCell) -> list[Row]:
    world = CountsModel(cell.scenario, cell.rate, cell.base, weight=WEIGHT)
    limits = _find_limits(world, cell)
    false = {key: (looks > 0).mean() for key, (looks, _) in _play(world, cell, limits).items()}
    rows = []
    for theta in cell.thetas:
        sprt_requests, sprt_error = _measure_sprt(replace(world, theta=theta), cell)
        for key, (looks, requests) in _play(replace(world, theta=theta), cell, limits).items():
            rows.append(
                {
                    "scenario": cell.scenario,
                    "rate": cell.rate,
                    "base": cell.base,
                    "theta": theta,
                    "alpha": cell.alpha,
                    "rule": key[0],
                    "limit": key[1],
                    "runs": cell.rollouts,
                    "false_rollback": float(false[key]),
                    "false_error": error(float(false[key]), cell.rollouts),
                    "power": float((looks > 0).mean()),
                    "looks": _compute_median(np.where(looks > 0, looks, np.inf)),
                    "requests": _compute_median(requests),
                    "requests_error": _compute_median_error(requests),
                    "known": sprt_requests,
                    "known_error": sprt_error,
                }
            )
    return rows


def _measure_sprt(world: CountsModel, cell: ContestCell) -> tuple[float, float]:
    """Return median requests of the SPRT that knows the effect, and their error.

    Its requests are independent, whatever the cell's scenario.
    """
    rng = seeded(cell.seed, "known", cell[:3], world.theta)
    alone = replace(world, scenario="iid", pods_canary=1, pods_stable=1)
    parts = []
    for size in chunks(KNOWN):
        arms = alone.streams(rng, size).arms()
        parts.append(_count_requests(arms, clairvoyant(arms, world.theta, cell.alpha)))
    requests = np.concatenate(parts)
    return _compute_median(requests), _compute_median_error(requests)


def _find_limits(world: CountsModel, cell: ContestCell) -> dict[tuple[str, str], float]:
    """Return each peer's documented limit and the oracle's."""
    rng = seeded(cell.seed, "oracle", cell[:3])
    arms = [world.streams(rng, size).arms() for size in chunks(2 * cell.rollouts)]
    limits = {}
    for name, rule in RULES.items():
        scores = np.concatenate([rule.score(streams, cell.alpha) for streams in arms])
        limits[name, "documented"] = rule.limit(cell.alpha)
        limits[name, "oracle"] = tuned(scores, cell.alpha)
    return limits


def _play(
    world: CountsModel, cell: ContestCell, limits: dict[tuple[str, str], float]
) -> dict[tuple[str, str], tuple[DrawnCounts, np.ndarray]]:
    """Return looks and canary requests until the rollback, by rule and limit."""
    key = "contest", cell[:3], world.theta
    rng, past_rng = (seeded(cell.seed, *key, purpose) for purpose in ("now", "past"))
    parts: dict[tuple[str, str], list[tuple[DrawnCounts, np.ndarray]]] = {}
    for size in chunks(cell.rollouts):
        streams, past = world.streams(rng, size), partial(world.history, past_rng, size)
        arms = streams.arms()
        ours = ((n, engine(streams, past).at(cell.alpha)) for n, engine in ENGINES.items())
        decided = {(name, "declared"): outcome.rolled_back for name, outcome in ours}
        for who, looks in (decided | dict(_run_peers(arms, cell.alpha, limits))).items():
            parts.setdefault(who, []).append((looks, _count_requests(arms, looks)))
    return {
        who: (np.concatenate([a for a, _ in some]), np.concatenate([b for _, b in some]))
        for who, some in parts.items()
    }


def _run_peers(
    arms: Streams, alpha: float, limits: dict[tuple[str, str], float]
) -> Iterator[tuple[tuple[str, str], DrawnCounts]]:
    for name, rule in RULES.items():
        score = rule.score(arms, alpha)
        for which in ("documented", "oracle"):
            yield (name, which), rule.rolled_back(score, limits[name, which], arms.e_c.shape[1])


def _count_requests(arms: Streams, looks: DrawnCounts) -> np.ndarray:
    """Return the canary's requests until the rollback; infinite without one."""
    sent = arms.e_c.cumsum(axis=-1)[np.arange(len(looks)), np.maximum(looks, 1) - 1]
    return np.where(looks > 0, sent, np.inf)


def _compute_median(values: np.ndarray) -> float:
    """Return the median; infinite if half of the rollouts had no rollback."""
    return float(np.quantile(values, 0.5, method="higher"))


def _compute_median_error(values: np.ndarray) -> float:
    """Return a median's standard error: half the distance of the order statistics around it.

    They lie one standard error of the share .5 below and above the median.
    """
    off = 1 / (2 * math.sqrt(len(values)))
    low, high = np.quantile(values, [0.5 - off, 0.5 + off], method="nearest")
    return float(high - low) / 2 if math.isfinite(low) else math.inf
