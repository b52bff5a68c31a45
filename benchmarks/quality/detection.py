"""Block 2: canary requests to detection of independent errors, over the information bound.

Looks are small: a fiftieth of the bound, but at least four canary and eight stable requests: a look
with requests on one arm only does not count. All rules see the same streams.
"""

from __future__ import annotations

import math
from functools import partial
from itertools import product
from typing import NamedTuple

import numpy as np

from analysis.information import needed, rate_divergence
from benchmarks.peers.rule import first
from benchmarks.quality.engines import ENGINES, INDEPENDENT
from benchmarks.quality.runs import Row, chunks, each, seeded
from benchmarks.worlds.draws import Array, DrawnCounts
from benchmarks.worlds.rates import CountsModel, Streams

BASES, THETAS, WEIGHTS, ALPHA = (0.001, 0.01, 0.05), (2.0, 3.0, 5.0), (0.5, 0.1), 0.01
BARS, SPRT_BAR = {2.0: 1.35, 3.0: 1.35, 5.0: 1.40}, 1.14
FINE, LONGEST = 50, 8  # looks in a bound, bounds in a rollout
LEAST, LEAST_STABLE = 4, 8  # expected requests in a look

CLAIRVOYANT = "SPRT that knows the effect"


class DetectionCell(NamedTuple):
    """One effect."""

    base: float
    theta: float
    weight: float
    rollouts: int
    seed: int


def run(rollouts: int, seed: int) -> list[Row]:
    """Measure a row for each base, effect, weight and engine."""
    cells = [DetectionCell(*world, rollouts, seed) for world in product(BASES, THETAS, WEIGHTS)]
    return each("detection", _cell, cells)


def _cell(cell: DetectionCell) -> list[Row]:
    rho = cell.weight / (1 - cell.weight)
    bound = needed(rate_divergence(cell.theta * cell.base, cell.base, 1.0, 0.0, rho), ALPHA)
    look = max(bound / FINE, LEAST, LEAST_STABLE * rho)
    world = CountsModel(
        rate=look / cell.weight / 30.0,
        base=cell.base,
        looks=math.ceil(LONGEST * bound / look),
        weight=cell.weight,
        theta=cell.theta,
    )
    rng, past_rng = (
        seeded(cell.seed, "detection", cell[:3], purpose) for purpose in ("now", "past")
    )
    sent: dict[str, list[DrawnCounts]] = {}
    for size in chunks(cell.rollouts):
        streams, past = world.streams(rng, size), partial(world.history, past_rng, size)
        arms = streams.arms()
        looks = {CLAIRVOYANT: clairvoyant(arms, cell.theta, ALPHA)}
        for name, engine in ENGINES.items():
            looks[name] = engine(streams, past).at(ALPHA).rolled_back
        for name, at in looks.items():
            sent.setdefault(name, []).append(requests(arms, at))
    return _build_rows(cell, bound, {name: np.concatenate(parts) for name, parts in sent.items()})


def clairvoyant(arms: Streams, theta: float, alpha: float) -> DrawnCounts:
    """Return the look (from 1, 0 for never) at which the ratio test at the true effect crosses."""
    gain = known_gain(arms.e_c, arms.e_s, arms.x_c, arms.x_s, theta)
    return first(gain.cumsum(axis=-1) >= -np.log(alpha))


def known_gain(
    e_c: DrawnCounts, e_s: DrawnCounts, x_c: DrawnCounts, x_s: DrawnCounts, theta: float
) -> Array:
    """Return one look's log-capital of the ratio test at the true effect: (...) -> (...).

    The margin's ratio is 1.
    """
    rho = e_c / np.maximum(e_s, 1)
    lost = (x_c + x_s) * np.log((1 + theta * rho) / (1 + rho))
    return np.where((e_c > 0) & (e_s > 0), x_c * np.log(theta) - lost, 0.0)


def requests(arms: Streams, looks: DrawnCounts) -> DrawnCounts:
    """Return the canary's requests until that look.

    Without such a look they are those of the whole rollout: a lower bound.
    """
    last = np.where(looks > 0, looks, arms.e_c.shape[1]) - 1
    return np.asarray(arms.e_c.cumsum(axis=-1)[np.arange(len(looks)), last])


def _build_rows(cell: DetectionCell, bound: float, sent: dict[str, DrawnCounts]) -> list[Row]:
    sprt_requests = sent[CLAIRVOYANT]
    return [
        {
            "base": cell.base,
            "theta": cell.theta,
            "weight": cell.weight,
            "alpha": ALPHA,
            "rule": name,
            "runs": cell.rollouts,
            "bound": bound,
            "requests": float(counts.mean()),
            "over_bound": float(counts.mean() / bound),
            "error": float(counts.std() / bound / np.sqrt(cell.rollouts)),
            "over_sprt": float(counts.mean() / sprt_requests.mean()),
            # The same streams: the error of the ratio is that of its residuals.
            "over_sprt_error": float(
                (counts - sprt_requests * (counts.mean() / sprt_requests.mean())).std()
                / sprt_requests.mean()
                / np.sqrt(cell.rollouts)
            ),
        }
        for name, counts in sent.items()
    ]


def misses(rows: list[Row]) -> list[str]:
    """Return the cells whose requests are above the bars on the bound and on the SPRT."""
    messages = []
    for row in rows:
        if row["rule"] != INDEPENDENT:
            continue
        cell = f"{row['theta']:g}x, base {row['base']:.1%}, weight {row['weight']:.0%}"
        for key, err, bar in (
            ("over_bound", "error", BARS[row["theta"]]),
            ("over_sprt", "over_sprt_error", SPRT_BAR),
        ):
            if row[key] > bar + 3 * row[err]:
                messages.append(f"requests {key.replace('_', ' the ')} {row[key]:.2f}"
                             f" +- {row[err]:.2f}, bar {bar}: {cell}")  # fmt: skip
    return messages
